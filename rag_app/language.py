"""Which language a text is in, and in which script: told from its characters and its function words, without a model.

A language is named only where the text says so clearly; every other text is `und`, undetermined.
This module knows nothing of documents, models or indexes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from rag_app.text import ENGLISH_STOP_WORDS, HAN, HANGUL, KANA

UNDETERMINED = "und"

# The function words of languages in Latin letters: in running text every third word is one, and few are shared by two
# languages. English has those that search leaves out.
_FUNCTION_WORDS = {
    "de": """
        aber alle als am an auch auf aus bei beim bis bitte da damit dann das dass dem den der des die dies diese diesem
        diesen dieser dieses doch durch ein eine einem einen einer eines er es falls für gibt habe haben hat hier ich ihr
        ihre im in ins ist ja jede jeden kann kein keine können mehr mit muss müssen nach nicht noch nun nur ob oder ohne
        schon sehr sein seine sich sie sind so soll sondern über um und uns unter vom von vor war waren was wenn werden
        wie wieder wir wird wurde wurden zu zum zur zwischen
        """,
    "fr": """
        ainsi après au aucun aussi autre aux avant avec avez avons car ce ceci cela ces cet cette chaque comme dans de
        depuis des deux doit donc dont du elle elles en entre est et été être fait il ils je la le les leur leurs lors
        lorsque mais même ne non nos notre nous on ont ou où par pas pendant peu peut peuvent plus pour quand que quel
        quelle qui sa sans se ses si son sont sous sur toujours tous tout toute toutes très trop un une vers veuillez
        vos votre vous à
        """,
    "es": """
        al algo algunos antes aquí así aunque bajo cada como con contra cual cuando de debe del desde después donde dos
        durante el él ella ellos en entre era eres es esa ese eso esta está estaba están estas este esto estos fue fueron
        ha hace hacia han hasta hay la las le les lo los más me menos mi mientras muy nada ni no nos o otra otro otros
        para pero por porque puede pueden que qué quien se según ser si sí sido sin sino sobre solo son su sus también
        tan tiene tienen todo todos una uno usted y ya
        """,
    "it": """
        ad agli ai al alla alle allo anche ancora che chi ci come con contro cosa così cui da dagli dai dal dalla dalle
        degli dei del dell della delle dello deve devono di dopo dove durante e è essere fra gli ha hanno i il in io la le
        lo loro ma mentre mi molto ne negli nei nel nell nella nelle nello nessun no noi non nostro o ogni per perché
        però più poi possono prima può qualche quale quando quella quelle quello questa queste questi questo qui se sempre
        senza si sia sono sopra sotto sta stato su sua sugli sui sul sull sulla sulle suo tra tutte tutti tutto un una
        uno viene
        """,
    "pt": """
        a ainda algum alguns antes ao aos apenas após aquele as até cada com como contra da das de dela dele depois desde
        deve do dos durante e é ela ele eles em então entre era essa esse esta está estão este eu foi foram há isso isto já
        lhe mais mas me mesmo minha muito na nas não nem nesta neste no nos nós o onde os ou outra outro para pela pelas
        pelo pelos pode podem por porque qual quando que quem são se sem sempre ser será seu seus só sob sobre sua suas
        também tem têm ter todas todo todos um uma você vocês à às
        """,
    "ca": """
        a al als altre amb aquest aquesta aquestes aquests això cada com contra del dels des després doncs durant el
        els en ens entre era és són està estan fer ha hi ho i la les li més molt només no nostre o on per però perquè
        pel pels poden pot que què quan qui sense ser seu seva si sobre també té tot tots un una us vostre
        """,
    "nl": """
        aan af al alle alleen als andere bij daar dan dat de deze die dit door dus een elke en er geen gebruikt ging had
        hebben heeft hem het hier hij hoe hun ik in is je kan kon kunnen maar meer men met mijn moet moeten mogen na naar
        niet niets nog nu of om omdat onder ons ook op over te tegen ten tot tussen uit uw van veel volgende voor waar
        waarbij wanneer want waren wat we wel werd werden wie wij worden wordt zal ze zich zij zijn zijn zo zonder zou
        """,
    "sv": """
        alla andra att av bara blev bli blir både då där de dem den denna deras dess dessa det detta dig din du efter
        eller en ett från för ha hade han har hos hur här i icke ingen inte jag kan kommer kunde man med mellan men mer
        mig min mot mycket måste någon något några när och också om oss på samma sedan sig sin ska skall som så till um
        under upp ut utan vad var vara varje vi vid vilka vilken än är å åt över
        """,
    "da": """
        af alle andre at bare blev blive bliver da de dem den denne deres det dette dig din disse du efter eller en end er
        et for fordi fra få får før ham han har havde have her hun hvad hver hvis hvor hvordan hvornår i ikke ingen ja jeg
        jer kan kun kunne mange med meget mellem men mere mig min mod må når ned noget nogle nogen nu og også om op os
        over på sammen selv sig sin skal skulle som så til ud uden under var ved vi vil vores være å
        """,
    "no": """
        alle andre at av bare ble bli blir både da de deg dem den denne deres det dette din disse du eller en enn er et
        etter flere for fordi fra få før gjennom ha hadde han har her hun hva hver hvis hvor hvordan i ikke ikkje ingen
        inn jeg kan kun kunne kva mange med meg mellom men mer mot mye må når noe noen nå og også om opp oss over på samme
        seg selv sin skal skulle slik som så til ut uten under var ved vi vil være vår å
        """,
    "fi": """
        aina ainakin alla ei eikä eivät ellei en eri että ettei ennen hän he ilman itse ja jo joissa joita joka jokin
        jolla jonka jopa jos jossa jota joten jotka jälkeen kaikki kanssa koska kuin kuitenkin kun kuten lisäksi me
        mikä mikäli miten minä missä mitä mukaan mutta muut myös ne niiden niin niitä noin nyt näin ole olet oli olisi
        olivat olla on onko ovat pitää saa se sekä sen siihen siinä silloin sillä sinä sitten sitä tai tulee tämä
        tämän tässä täytyy tätä te vaan vai vaikka vain varten vielä voi voidaan voit voivat yli älä
        """,
    "et": """
        aga all ei ega ehk enne et ette iga ja järgi ka kas kes kogu kohta koos kuhu kui kuid kus kõik ma me mida miks
        mis mitte mõne nad nagu need neid ning nii oleks olema oli olla oma on peab pole pärast saa ta tema teie tuleb üle
        või välja saab see seda selle siin siis sõltu
        """,
    "pl": """
        aby ale bez bo był była było być być będzie by czy dla do gdy go ich ile i jak jako je jego jej jest jeśli jeżeli
        już każdy kiedy która które którego której który którzy lub ma mi może można mu na nad należy nas nie niż o od
        oraz po pod podczas przed przez przy się są ta tak także tam te tego tej ten to tu tych tylko tym w więc wszystkie
        z za ze że został żeby
        """,
    "cs": """
        a aby ale ani až bez bude byl byla bylo být co do i ho ještě jak jako je jeho její jejich jen jestli ji jsem jsme
        jsou k kde když která které který které ke kteří mezi mě na nad ne nebo nejsou není než o od po pod podle pokud
        pouze pro proto protože před při s se si tak také tato tedy ten tento této to tohoto toto u už v ve více všechny
        za z ze že
        """,
    "sk": """
        a aby aj ak ako ale alebo až bez bol bola bolo boli byť by cez čo do ho i iba ich je jeho keď kde ktorá ktoré
        ktorý ktorú ku má medzi mu na nad nie o od po pod podľa pre pred pri sa si so som sú tak táto tak ten tento to
        toto tým už v vo viac všetky z za zo že
        """,
    "sl": """
        ali ampak bi bil bila bilo bo bodo brez če da do ga ima imajo in iz iz je jih ker ki ko kot lahko le med mora
        na naj ne ni nima niso od oziroma pa po pod pred pri s saj se si so sta ste ta tako te tega tem to tudi v vas
        več vendar za z že
        """,
    "hr": """
        ako ali ali bez bi bila bilo biti bio će da do dok ga ga i ili iz iza ima ih je jer još kada kako kao koja
        koje koji koju kroz li može među mora na nakon ne nego nema nije nisu niti o od odnosno ova ovaj ovo po pod
        pre prema pri prije s sa samo se su sve svi ta taj te to u uz već za zbog što
        """,
    "hu": """
        a abban ahol akkor aki ami amely amikor annak az azt azonban be csak csatlakozni de egy egyik el én ennek és ezek
        ezen ezt ez fel ha hanem hogy ilyen is itt ki kell kellett közben le lehet lesz már még meg mert mi minden mint
        nagyon ne nem nincs olyan össze pedig sem szerint számára után úgy vagy van vannak volt
        """,
    "ro": """
        a acest aceasta această aceste acestea ai al ale am ar au avea că când care cât ce cea cei cel cele chiar cu cum
        dacă dar de decât deja despre din după e ea ei el ele era este eu face fără fi fie fiecare foarte fost îi îl în
        între își la le lor mai mult ne nici nu numai o ori pe pentru poate prin sa să sau se sunt și toate trebuie într
        un unei unor unui va vă
        """,
    "tr": """
        ama ancak bazı ben bir biri bu bunu bunun çok çünkü da daha de değil diğer en gibi göre hem hepsi her için içinde
        ile ise kadar kendi ki mi mı mu nasıl ne neden o olan olarak oldu olduğu olduğunu onu onun önce sadece siz sonra
        şu tarafından tüm var ve veya ya yok yeni zaman
        """,
    "id": """
        ada adalah agar akan anda apakah atau bahwa bagi banyak bisa bukan dalam dan dapat dari dengan di hanya harus ini
        itu jika juga kami karena ke kepada kita lain lebih maka mereka namun oleh pada para saat saja sampai sangat
        saya seperti secara sebuah sebagai serta setelah suatu sudah telah tersebut tetapi tidak untuk yang
        """,
    "vi": """
        bạn bị bởi các cần chỉ cho có cũng của đã đang đây để đến đó được hay hoặc khi không là lại lên mà một này nào nên
        nếu như những ở phải qua ra rằng rất sau sẽ tại theo thì trên trong trước từ và vào về vì với
        """,
}
FUNCTION_WORDS: Mapping[str, frozenset[str]] = MappingProxyType(
    {"en": ENGLISH_STOP_WORDS, **{code: frozenset(words.split()) for code, words in _FUNCTION_WORDS.items()}}
)
_LANGUAGES_OF_WORD = {
    word: tuple(code for code, words in FUNCTION_WORDS.items() if word in words)
    for word in frozenset[str]().union(*FUNCTION_WORDS.values())
}

# The other scripts: where their letters stand in Unicode, and the languages that are usually written in them.
_SCRIPTS = {
    "Grek": ("0370-03ff 1f00-1fff", "el"),
    "Cyrl": ("0400-052f 1c80-1c8f 2de0-2dff a640-a69f", "ru uk be bg sr mk kk ky mn tg tt ba"),
    "Armn": ("0530-058f", "hy"),
    "Hebr": ("0590-05ff fb1d-fb4f", "he yi"),
    "Arab": ("0600-06ff 0750-077f 08a0-08ff fb50-fdff fe70-fefc", "ar fa ur ps ku sd ug"),
    "Deva": ("0900-097f a8e0-a8ff", "hi mr ne sa"),
    "Beng": ("0980-09ff", "bn as"),
    "Guru": ("0a00-0a7f", "pa"),
    "Gujr": ("0a80-0aff", "gu"),
    "Orya": ("0b00-0b7f", "or"),
    "Taml": ("0b80-0bff", "ta"),
    "Telu": ("0c00-0c7f", "te"),
    "Knda": ("0c80-0cff", "kn"),
    "Mlym": ("0d00-0d7f", "ml"),
    "Sinh": ("0d80-0dff", "si"),
    "Thai": ("0e00-0e7f", "th"),
    "Laoo": ("0e80-0eff", "lo"),
    "Tibt": ("0f00-0fff", "bo dz"),
    "Mymr": ("1000-109f", "my"),
    "Geor": ("10a0-10ff 1c90-1cbf 2d00-2d2f", "ka"),
    "Ethi": ("1200-139f", "am ti"),
    "Khmr": ("1780-17ff", "km"),
    "Mong": ("1800-18af", "mn"),
}
_UNSPACED = frozenset({"Thai", "Laoo", "Tibt", "Mymr", "Khmr"})
_LETTERS_PER_WORD = 5

SCRIPT_LANGUAGES: Mapping[str, frozenset[str]] = MappingProxyType(
    {script: frozenset(languages.split()) for script, (_, languages) in _SCRIPTS.items()}
    | {"Hans": frozenset({"zh"}), "Hant": frozenset({"zh"}), "Jpan": frozenset({"ja"}), "Kore": frozenset({"ko"})}
)

# Simplified characters, each followed by the traditional one it stands for; neither is usual in the other way of writing.
_PAIRS = """
    个個 们們 来來 时時 说說 国國 会會 过過 对對 学學 发發 当當 没沒 还還 样樣 开開 现現 动動 经經 长長 给給 间間
    两兩 进進 与與 请請 这這 为為 从從 问問 题題 关關 业業 东東 车車 马馬 鸟鳥 鱼魚 门門 见見 观觀 视視 规規 觉覺
    电電 脑腦 网網 络絡 线線 级級 结結 统統 继繼 续續 维維 缓緩 编編 组組 织織 终終 绝絕 约約 纪紀 纸紙 细細 练練
    总總 应應 该該 认認 识識 记記 让讓 议議 讨討 论論 设設 访訪 证證 评評 词詞 试試 语語 误誤 读讀 谁誰 调調 谢謝
    课課 账賬 货貨 费費 资資 贵貴 买買 卖賣 质質 购購 赛賽 转轉 轮輪 软軟 载載 较較 辑輯 边邊 运運 远遠 连連 适適
    选選 递遞 邮郵 钟鐘 钥鑰 链鏈 错錯 键鍵 锁鎖 闭閉 队隊 阶階 际際 陆陸 险險 难難 页頁 项項 顺順 须須 预預 领領
    频頻 颜顏 额額 风風 飞飛 饭飯 馆館 验驗 龙龍 龟龜 图圖 团團 园園 场場 块塊 声聲 处處 备備 复復 头頭 奖獎 妇婦
    孙孫 实實 宽寬 导導 将將 层層 属屬 岁歲 师師 带帶 帮幫 广廣 库庫 异異 张張 强強 归歸 录錄 择擇 换換 据據 损損
    护護 报報 拥擁 拟擬 担擔 数數 断斷 无無 旧舊 显顯 术術 机機 权權 条條 极極 标標 检檢 楼樓 欢歡 气氣 汉漢 测測
    济濟 满滿 灭滅 灯燈 点點 热熱 爱愛 状狀 独獨 环環 码碼 确確 础礎 离離 种種 积積 称稱 稳穩 笔筆 签簽 类類 红紅
    纯純 职職 联聯 肃肅 节節 药藥 虑慮 虽雖 补補 装裝 计計 订訂 乐樂 书書 产產 亲親 亿億 仅僅 价價 众眾 优優 传傳
    体體 侧側 减減 刚剛 创創 别別 务務 办辦 劳勞 势勢 区區 医醫 华華 单單 卫衛 历歷 压壓 参參 双雙 变變 号號 叶葉
    吗嗎 听聽 启啟 员員 响響 围圍 输輸 军軍 战戰 话話 内內 义義 尔爾 许許 决決 则則 却卻 达達 争爭 户戶 钮鈕 击擊
    删刪 绍紹 败敗 隐隱 态態 册冊 够夠 况況 责責 随隨 杂雜
    """.split()  # noqa: SIM905 - a paragraph is read more easily than a list of strings
TRADITIONAL_FORMS: Mapping[str, str] = MappingProxyType({pair[0]: pair[1] for pair in _PAIRS})
_SIMPLIFIED, _TRADITIONAL = (
    re.compile(f"[{''.join(forms)}]") for forms in (TRADITIONAL_FORMS.keys(), TRADITIONAL_FORMS.values())
)

_HAN = re.compile(f"[{HAN}]+")
_KANA = re.compile(f"[{KANA}]+")
_HANGUL = re.compile(f"[{HANGUL}]+")
_LATIN_WORD = re.compile("[a-z\u00aa\u00ba\u00df-\u00f6\u00f8-\u024f\u1e00-\u1eff]+")
_RANGE = re.compile("([0-9a-f]+)-([0-9a-f]+)")
_OTHER = re.compile(
    "[" + "".join(_RANGE.sub(r"\\u\1-\\u\2", ranges).replace(" ", "") for ranges, _ in _SCRIPTS.values()) + "]+"
)
# Every script begins at a code point that 16 divides.
_SCRIPT_OF_COLUMN = {
    column: script
    for script, (ranges, _) in _SCRIPTS.items()
    for first, last in _RANGE.findall(ranges)
    for column in range(int(first, 16) >> 4, (int(last, 16) >> 4) + 1)
}
_RUSSIAN, _UKRAINIAN = re.compile("[ыэё]"), re.compile("[іїєґ]")
_OTHER_CYRILLIC = re.compile("[ъ\u0450\u0452\u0453\u0455\u0458-\u048f\u0492-\u052f]")

# A text in another script that names things in Latin letters is still in that script: this share of it is enough.
_SCRIPT_SHARE = 0.3
_ENGLISH_SHARE = 0.1
_FUNCTION_WORD_SHARE = 0.15


@dataclass(frozen=True)
class Language:
    """A language and the script it is written in.

    Args:
        code: ISO 639-1, or `und` where the text does not say it clearly.
        script: ISO 15924, `Latn`, `Hans`, `Hant`, `Jpan`, `Kore`, `Cyrl`; empty where there are no letters, or only rare ones.
    """

    code: str
    script: str


def language_of(text: str, *, sample: int = 20_000) -> Language:
    """Return the language that most of a text is in, where that is clear, and its script.

    Of a text longer than `sample` characters, that many are read: from its beginning, its middle and its end, since a
    cover page may be in another language.
    """
    text = _sampled(text, sample).lower()
    latin_words = _LATIN_WORD.findall(text)
    if not text.isascii() and (language := _in_another_script(text, len(latin_words))):
        return language
    return Language(_latin_language(latin_words), "Latn") if latin_words else Language(UNDETERMINED, "")


def function_words(words: Iterable[str]) -> Counter[str]:
    """Return how many of the words (lower case) are function words of each language that has any."""
    counts: Counter[str] = Counter()
    for languages, count in Counter(filter(None, map(_LANGUAGES_OF_WORD.get, words))).items():
        for language in languages:
            counts[language] += count
    return counts


def _sampled(text: str, size: int) -> str:
    if len(text) <= size:
        return text
    piece = size // 3
    middle = (len(text) - piece) // 2
    return " ".join((text[:piece], text[middle : middle + piece], text[len(text) - piece :]))


def _in_another_script(text: str, latin_words: int) -> Language | None:
    """Return the language of a text that is not in Latin letters, else None."""
    han, kana, hangul = (sum(map(len, letters.findall(text))) for letters in (_HAN, _KANA, _HANGUL))
    cjk = han + kana + hangul
    others = _words_of_other_scripts(text)
    words = latin_words + others.total()
    # A CJK character carries about as much as half a Latin word.
    if cjk and cjk / 2 >= _SCRIPT_SHARE * (cjk / 2 + words):
        if hangul > cjk / 2:
            return Language("ko", "Kore")
        return Language("ja", "Jpan") if kana > 0.1 * cjk else Language("zh", _chinese_script(text))
    if not others:
        return None
    script, count = others.most_common(1)[0]
    return Language(_language_of_script(script, text), script) if count >= _SCRIPT_SHARE * (cjk / 2 + words) else None


def _words_of_other_scripts(text: str) -> Counter[str]:
    counts: Counter[str] = Counter()
    for run in _OTHER.findall(text):
        script = _SCRIPT_OF_COLUMN[ord(run[0]) >> 4]
        counts[script] += -(-len(run) // _LETTERS_PER_WORD) if script in _UNSPACED else 1
    return counts


def _chinese_script(text: str) -> str:
    return "Hant" if len(_TRADITIONAL.findall(text)) > len(_SIMPLIFIED.findall(text)) else "Hans"


def _language_of_script(script: str, text: str) -> str:
    """Return the language where a script has but one, or its letters tell it."""
    if script == "Cyrl":
        return _cyrillic_language(text)
    languages = SCRIPT_LANGUAGES[script]
    return next(iter(languages)) if len(languages) == 1 else UNDETERMINED


def _cyrillic_language(text: str) -> str:
    russian, ukrainian, other = (len(letters.findall(text)) for letters in (_RUSSIAN, _UKRAINIAN, _OTHER_CYRILLIC))
    # A foreign name is no evidence.
    if russian > 3 * (ukrainian + other):
        return "ru"
    return "uk" if ukrainian > 3 * (russian + other) else UNDETERMINED


def _latin_language(words: list[str]) -> str:
    """Return the language whose function words are the most frequent by far."""
    counts = function_words(words)
    if not counts:
        return UNDETERMINED
    (best, most), *others = counts.most_common(2)
    if counts["en"] == most:
        return "en" if most >= _ENGLISH_SHARE * len(words) else UNDETERMINED
    second = others[0][1] if others else 0
    is_clear = most > max(second, 1) and most >= _FUNCTION_WORD_SHARE * len(words)
    return best if is_clear else UNDETERMINED
