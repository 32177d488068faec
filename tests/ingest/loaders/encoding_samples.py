"""Texts in many languages, for the tests of encodings and languages: as people write them, technical and everyday."""

from __future__ import annotations

SIMPLIFIED = {
    "password": "忘记密码时，请打开重置页面，输入工号和手机号码。系统会发送一条短信，里面有新的验证码。",
    "printer": "打印机卡纸以后，先关闭电源，再打开后盖取出纸张。如果问题仍然存在，请联系技术服务部。",
    "holiday": "公司规定，员工每年可以休假十五天。没有用完的假期可以转到下一年，但是不能换成工资。",
    "market": "昨天我和妈妈一起去市场买菜，那里的西红柿又新鲜又便宜。回家以后，我们做了一顿好吃的晚饭。",
    "quantum": "量子化学用量子力学的方法研究分子的结构和性质，它的计算量很大，需要高性能的计算机。",
    "english names": "请安装 Harbour Connect 6.2，然后打开 VPN 页面，点击“连接”按钮。",
    "list": "1、用户管理\n2、权限设置\n3、数据备份和恢复\n4、系统日志\n5、关于本软件",
    "table": "姓名,部门,电话\n王小明,市场部,8021\n李文,技术部,8035\n张建国,财务部,8044\n",
}
TRADITIONAL = {
    "password": "忘記密碼時，請打開重設頁面，輸入員工編號和手機號碼。系統會傳送一則簡訊，裡面有新的驗證碼。",
    "printer": "印表機卡紙以後，先關閉電源，再打開後蓋取出紙張。如果問題仍然存在，請聯絡技術服務部。",
    "holiday": "公司規定，員工每年可以休假十五天。沒有用完的假期可以轉到下一年，但是不能換成薪水。",
    "market": "昨天我和媽媽一起去市場買菜，那裡的番茄又新鮮又便宜。回家以後，我們做了一頓好吃的晚飯。",
    "short": "忘記密碼時，請打開重置頁面。",
}
JAPANESE = {
    "password": "パスワードを忘れた場合は、再設定のページを開いて、社員番号を入力してください。",
    "printer": "プリンターの紙が詰まったら、まず電源を切り、後ろのカバーを開けて紙を取り出します。",
    "weather": "昨日は雨が降っていたので、家で本を読んでいました。夕方になって、やっと晴れました。",
    "katakana": "ファイルサーバーのバックアップ",
    "short": "パスワードを忘れた場合は",
}
WESTERN = {
    "German, password": "Wenn Sie Ihr Passwort vergessen haben, öffnen Sie die Seite zum Zurücksetzen und geben Sie die "
    "Personalnummer ein. Das Konto wird für dreißig Minuten gesperrt.",
    "German, weather": "Gestern hat es den ganzen Tag geregnet, und wir sind zu Hause geblieben. Für morgen ist schönes "
    "Wetter angekündigt.",
    "German, quotation marks": "Klicken Sie auf „Verbinden“ – danach fragt das Programm nach der Größe des Papiers.",
    "German, short": "Die Tür ist geöffnet.",
    "German, guests": "Das Café in der Nähe der Schule hat für die Gäste von Señor Gómez eine neue Crème im Angebot.",
    "French, password": "Si vous avez oublié votre mot de passe, ouvrez la page de réinitialisation et saisissez votre "
    "numéro d’employé. Le compte est bloqué pendant une demi-heure après trois échecs.",
    "French, market": "Hier, nous sommes allés au marché où les légumes étaient très frais. Ma sœur a acheté du pain "
    "à la boulangerie, puis nous avons dîné ensemble.",
    "French, guillemets": "Cliquez sur «\xa0Connecter\xa0»\xa0: le système vérifie la clé, et affiche « prêt ».",
    "French, short": "un café très serré",
    "Spanish, password": "Si ha olvidado la contraseña, abra la página de restablecimiento e introduzca su número de "
    "empleado. ¿No funciona? Llame al servicio técnico.",
    "Spanish, weather": "Ayer llovió todo el día y nos quedamos en casa. Mañana hará sol según el pronóstico.",
    "Spanish, holiday": "Los empleados tienen quince días de vacaciones al año, que también pueden tomar en otoño.",
    "Italian, password": "Se hai dimenticato la password, apri la pagina di ripristino: così riceverai un codice. Non è "
    "possibile usare quella vecchia, perché è già scaduta.",
    "Italian, market": "Ieri siamo andati al mercato, dove la verdura era più fresca che in città.",
    "Italian, printer": "La stampante non è collegata alla rete: verifica che sia accesa e riprova più tardi.",
    "Portuguese, password": "Se você esqueceu a senha, abra a página de redefinição e digite o número de funcionário. A "
    "conta não será bloqueada até a terceira tentativa.",
    "Portuguese, weather": "Ontem choveu o dia todo e nós ficamos em casa. Amanhã não haverá sol, segundo a previsão.",
    "Portuguese, printer": "A impressora não está ligada à rede. Verifique se o cabo está bem colocado e também a tensão.",
    "Swedish, password": "Om du har glömt ditt lösenord öppnar du sidan för återställning och anger ditt "
    "anställningsnummer. Kontot är låst i trettio minuter.",
    "Swedish, weather": "I går regnade det hela dagen och vi stannade hemma. I morgon ska det bli vackert väder.",
    "Danish": "Hvis du har glemt din adgangskode, skal du åbne siden og indtaste dit nummer. Kontoen er låst, når du "
    "har prøvet tre gange, og så må du vente.",
    "Norwegian": "Hvis du har glemt passordet, må du åpne siden og skrive inn nummeret ditt. Kontoen er låst når du har "
    "prøvd tre ganger, og så må du vente på å få et nytt.",
    "Dutch": "Als u het wachtwoord bent vergeten, opent u de pagina en voert u één keer uw nummer in. De coördinator heeft "
    "het account geïnstalleerd.",
    "Finnish": "Jos olet unohtanut salasanan, avaa sivu ja kirjoita siihen numero. Tili on lukittu, kun olet yrittänyt sitä "
    "kolme kertaa, eikä se ole enää käytössä.",
    "English, quotation marks": "The guide says: “Don’t open the cover while it is running” – and that is what we did.",
    "English, café": "The café opens at 8 and it is closed on Sundays, but you can ask for the key at the office.",
    "English, units": "The room is 12 m² and must not be warmer than 25 °C. It costs £40 or €50 a day…",
}
# In what these languages were written before Unicode.
REFUSED = {
    "Korean, password": (
        "비밀번호를 잊어버린 경우 재설정 페이지를 열고 사원 번호를 입력하십시오.",
        ("cp949", "euc_kr"),
    ),
    "Korean, weather": ("어제는 하루 종일 비가 와서 집에서 책을 읽었습니다. 내일은 맑을 것입니다.", ("cp949",)),
    "Korean, options": ("사용법: 명령 [<옵션>] [--] <경로>...\n명령 [<옵션>] <파일>", ("cp949",)),
    "Japanese, in EUC": ("パスワードを忘れた場合は、再設定のページを開いてください。", ("euc_jp", "gb18030")),
    "Russian, password": (
        "Если вы забыли пароль, откройте страницу сброса и введите табельный номер.",
        ("cp1251", "koi8_r", "iso8859_5", "cp866", "mac_cyrillic"),
    ),
    "Russian, short": ("Привет, как дела", ("cp1251", "koi8_r", "iso8859_5", "cp866")),
    "Russian in English": (
        "The word for the password is пароль, and it is not the same as the number.",
        ("cp1251", "koi8_r"),
    ),
    "Ukrainian": ("Якщо ви забули пароль, відкрийте сторінку та введіть номер.", ("cp1251", "koi8_u")),
    "Bulgarian": ("Ако сте забравили паролата, отворете страницата и въведете номера.", ("cp1251",)),
    "Greek, password": (
        "Αν ξεχάσατε τον κωδικό, ανοίξτε τη σελίδα και πληκτρολογήστε τον αριθμό.",
        ("cp1253", "iso8859_7", "cp737"),
    ),
    "Greek, weather": ("Χθες έβρεχε όλη μέρα και μείναμε στο σπίτι.", ("cp1253", "iso8859_7")),
    "Polish, password": (
        "Jeśli zapomniałeś hasła, otwórz stronę i wpisz swój numer. Konto zostało zablokowane na pół godziny.",
        ("cp1250", "iso8859_2", "cp852", "iso8859_16"),
    ),
    "Polish, weather": (
        "Wczoraj cały dzień padało i zostaliśmy w domu, żeby się nie zaziębić.",
        ("cp1250", "iso8859_2"),
    ),
    "Polish, short": ("Proszę zapisać plik.", ("cp1250", "iso8859_2")),
    "Polish names in English": (
        "The report was written by Łukasz and Michał, who are in the office of Gdańsk on Mondays.",
        ("cp1250", "iso8859_2"),
    ),
    "Czech, password": (
        "Pokud jste zapomněli heslo, otevřete stránku a zadejte své číslo. Účet je na půl hodiny zablokován.",
        ("cp1250", "iso8859_2", "cp852"),
    ),
    "Czech, weather": ("Včera celý den pršelo a zůstali jsme doma, protože děti měly rýmu.", ("cp1250", "iso8859_2")),
    "Czech names in German": (
        "Das Konzert von Dvořák und Janáček ist für alle Gäste, die in der Stadt Plzeň übernachten.",
        ("cp1250",),
    ),
    "Slovak": ("Ak ste zabudli heslo, otvorte stránku a zadajte svoje číslo, potom počkajte.", ("cp1250",)),
    "Croatian": ("Ako ste zaboravili lozinku, otvorite stranicu i upišite svoj broj, što će biti brže.", ("cp1250",)),
    "Hungarian": (
        "Ha elfelejtette a jelszót, nyissa meg az oldalt, és írja be a számot, amely később lejár.",
        ("cp1250",),
    ),
    "Romanian": (
        "Dacă ați uitat parola, deschideți pagina și introduceți numărul pe care l-ați primit.",
        ("iso8859_16",),
    ),
    "Turkish, password": (
        "Şifrenizi unuttuysanız sayfayı açın ve sicil numaranızı girin. Hesap yarım saat kilitli kalır.",
        ("cp1254", "iso8859_9", "cp857"),
    ),
    "Turkish, short": ("Kapı açık değil.", ("cp1254",)),
    "Estonian": ("Kui võti on kadunud, siis ei saa ust avada ja see jääb lukku.", ("cp850", "cp775")),
    "Lithuanian": ("Jei pamiršote slaptažodį, atverkite puslapį ir įveskite savo numerį.", ("cp1257", "iso8859_13")),
    "Latvian": (
        "Ja esat aizmirsis paroli, atveriet lapu un ievadiet numuru, kas ir norādīts uz tās.",
        ("cp1257", "cp775"),
    ),
    "Arabic": ("إذا نسيت كلمة المرور فافتح الصفحة وأدخل رقم الموظف.", ("cp1256", "iso8859_6")),
    "Hebrew": ("אם שכחת את הסיסמה, פתח את הדף והזן את מספר העובד.", ("cp1255", "iso8859_8")),
    "Thai": ("หากคุณลืมรหัสผ่าน ให้เปิดหน้าตั้งค่าและป้อนหมายเลขพนักงาน", ("cp874", "tis_620")),
    "German, from DOS": (WESTERN["German, password"], ("cp850", "cp437", "mac_roman")),
    "German, from DOS, one letter": ("Die Datei ist zu groß und wird nicht gelesen.", ("cp850", "cp437", "mac_roman")),
    "French, from DOS": (WESTERN["French, market"].replace("œ", "oe"), ("cp850", "cp437", "mac_roman")),
    "Spanish, from a Mac": (WESTERN["Spanish, weather"], ("mac_roman", "cp850")),
    "Danish, from DOS": (WESTERN["Danish"], ("cp850", "cp865")),
    "English, from a Mac": (WESTERN["English, quotation marks"], ("mac_roman",)),
    "English, a frame from DOS": ("┌───────┐\n│ The end of it │\n└───────┘", ("cp437", "cp850")),
}
# Too short to tell, in their own encoding.
SHORT = {
    "a Chinese word": ("密码", "gb18030"),
    "a Chinese surname and a place": ("吴，杭州", "gb18030"),
    "Chinese that is UTF-8 too": ("系统: Windows", "gb18030"),
    "a traditional Chinese word": ("密碼", "big5"),
    "a Japanese word": ("会議室", "cp932"),
    "a German word": ("Größe", "cp1252"),
    "file names": ("Übersicht.doc\nPrüfung.xls\nMüller.txt\n", "cp1252"),
    "a small table": ("Name;Größe\nMüller;178\nWeiß;183\n", "cp1252"),
    "a name": ("José", "cp1252"),
    "prices": ("10 €; 20 €", "cp1252"),
}
