"""The language and script of a text: named where it is clear, undetermined where it is not."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag_app.language import (
    FUNCTION_WORDS,
    SCRIPT_LANGUAGES,
    TRADITIONAL_FORMS,
    UNDETERMINED,
    Language,
    function_words,
    language_of,
)
from rag_app.text import ENGLISH_STOP_WORDS


@pytest.mark.parametrize(
    ("text", "language"),
    [
        pytest.param("The account is locked for 30 minutes.", "en-Latn", id="English"),
        pytest.param("VPN for guests", "en-Latn", id="English, short"),
        pytest.param("账号会被锁定三十分钟。", "zh-Hans", id="Chinese"),
        pytest.param("帳號會被鎖定三十分鐘。", "zh-Hant", id="traditional Chinese"),
        pytest.param("人口手", "zh-Hans", id="Chinese that is the same in both"),
        pytest.param("请安装 Harbour Connect 6.2，然后打开 VPN 页面。", "zh-Hans", id="Chinese with English names"),
        pytest.param("The term 密码 means password in this text.", "en-Latn", id="English with a Chinese word"),
        pytest.param("パスワードを忘れた場合は、再設定してください。", "ja-Jpan", id="Japanese"),
        pytest.param("비밀번호를 잊어버린 경우", "ko-Kore", id="Korean"),
        pytest.param("Passwort vergessen? Seite neu laden.", "und-Latn", id="no function word"),
        pytest.param("12345 !!", "und-", id="no letters"),
        pytest.param("", "und-", id="empty"),
        pytest.param("Wenn Sie das Passwort vergessen haben, laden Sie die Seite neu.", "de-Latn", id="German"),
        pytest.param("Si vous avez oublié le mot de passe, ouvrez la page.", "fr-Latn", id="French"),
        pytest.param("Si ha olvidado la contraseña, abra la página que está en el servicio.", "es-Latn", id="Spanish"),
        pytest.param("Se hai dimenticato la password, apri la pagina che è nella rete.", "it-Latn", id="Italian"),
        pytest.param("Se você esqueceu a senha, não abra a página do serviço.", "pt-Latn", id="Portuguese"),
        pytest.param("Als u het wachtwoord bent vergeten, opent u de pagina.", "nl-Latn", id="Dutch"),
        pytest.param("Om du har glömt lösenordet måste du öppna sidan.", "sv-Latn", id="Swedish"),
        pytest.param("Hvis du har glemt koden, skal du åbne siden, og så må du vente noget.", "da-Latn", id="Danish"),
        pytest.param("Hvis du har glemt koden, må du åpne siden, og så må du vente noe.", "no-Latn", id="Norwegian"),
        pytest.param("Jos olet unohtanut salasanan, avaa sivu ja kirjoita se.", "fi-Latn", id="Finnish"),
        pytest.param(
            "Jeśli zapomniałeś hasła, otwórz stronę i wpisz swój numer, który jest na karcie.", "pl-Latn", id="Polish"
        ),
        pytest.param("Pokud jste zapomněli heslo, otevřete stránku, která je v síti.", "cs-Latn", id="Czech"),
        pytest.param(
            "Ha elfelejtette a jelszót, nyissa meg az oldalt, és írja be a számot.", "hu-Latn", id="Hungarian"
        ),
        pytest.param("Dacă ați uitat parola, deschideți pagina care este în rețea.", "ro-Latn", id="Romanian"),
        pytest.param("Nếu bạn quên mật khẩu, hãy mở trang và nhập số của bạn.", "vi-Latn", id="Vietnamese"),
        pytest.param("Lorem ipsum dolor sit amet, consectetur adipiscing elit.", "und-Latn", id="filler"),
        pytest.param("Если вы забыли пароль, откройте страницу.", "ru-Cyrl", id="Russian"),
        pytest.param("Якщо ви забули пароль, відкрийте її сторінку.", "uk-Cyrl", id="Ukrainian"),
        pytest.param("Ако сте забравили паролата, отворете първата страница.", "und-Cyrl", id="Bulgarian"),
        pytest.param("Ако сте заборавили лозинку, отворите љубазну страницу.", "und-Cyrl", id="Serbian"),
        pytest.param(
            "Откройте VPN Harbour Connect 6.2, чтобы войти в сеть, которая вам нужна.", "ru-Cyrl", id="Latin names"
        ),
        pytest.param("Αν ξεχάσατε τον κωδικό, ανοίξτε τη σελίδα.", "el-Grek", id="Greek"),
        pytest.param("The angles α and β of the sum are not the same.", "en-Latn", id="English with Greek letters"),
        pytest.param("إذا نسيت كلمة المرور فافتح الصفحة.", "und-Arab", id="Arabic script"),
        pytest.param("אם שכחת את הסיסמה, פתח את הדף.", "und-Hebr", id="Hebrew script"),
        pytest.param("หากคุณลืมรหัสผ่าน ให้เปิดหน้าตั้งค่า VPN ของบริษัท", "th-Thai", id="Thai, without spaces"),
        pytest.param("यदि आप पासवर्ड भूल गए हैं तो पृष्ठ खोलें।", "und-Deva", id="Devanagari"),
        pytest.param("পাসওয়ার্ড ভুলে গেলে পাতাটি খুলুন।", "und-Beng", id="Bengali script"),
        pytest.param("கடவுச்சொல்லை மறந்துவிட்டால் பக்கத்தைத் திறக்கவும்.", "ta-Taml", id="Tamil"),
        pytest.param("თუ პაროლი დაგავიწყდათ, გახსენით გვერდი.", "ka-Geor", id="Georgian"),
        pytest.param("Եթե մոռացել եք գաղտնաբառը, բացեք էջը։", "hy-Armn", id="Armenian"),
    ],
)
def test_language_and_script(text: str, language: str) -> None:
    found = language_of(text)
    assert f"{found.code}-{found.script}" == language


def test_more_of_one_language_than_of_another_decides() -> None:
    german = "Das ist ein Text, der nicht in der Sprache der anderen ist. "
    english = "This is a text that is not in the language of the others. "
    assert language_of(german * 3 + english).code == "de"
    assert language_of(german + english * 3).code == "en"


def test_a_long_text_is_read_at_its_beginning_middle_and_end() -> None:
    cover = "The company and its rules: for all of us. " * 100
    text = cover + "忘记密码时，请打开重置页面。" * 2000
    assert language_of(cover).code == "en"
    assert language_of(text, sample=3000) == Language("zh", "Hans")
    assert language_of(text, sample=3000) == language_of(text, sample=3000)


def test_what_is_beyond_the_sample_is_not_read() -> None:
    text = "the account is locked " * 10 + "账号" * 1000 + " the account is locked" * 100
    assert language_of(text, sample=90).code == "zh"
    assert language_of(text).code == "zh"
    assert language_of("密" * 30 + " the account is locked" * 1000, sample=300).code == "en"


def test_no_language_but_english_is_told_from_one_word() -> None:
    assert language_of("nicht").code == UNDETERMINED
    assert language_of("nicht und").code == "de"
    assert language_of("the").code == "en"


def test_function_words_are_lower_case_words_and_each_language_has_enough() -> None:
    for code, words in FUNCTION_WORDS.items():
        assert len(words) >= 40, code
        assert all(word.isalpha() and word == word.lower() for word in words), code
    assert FUNCTION_WORDS["en"] is ENGLISH_STOP_WORDS


def test_no_language_is_hidden_behind_another() -> None:
    for code, words in FUNCTION_WORDS.items():
        others = function_words(words)
        assert others[code] == len(words)
        assert all(count < 0.72 * len(words) for other, count in others.items() if other != code), code


def test_function_words_are_counted_for_every_language_that_has_them() -> None:
    counts = function_words(["und", "die", "die", "xyz"])
    assert (counts["de"], counts["nl"], counts["fr"]) == (3, 2, 0)


def test_a_simplified_character_and_its_traditional_form_differ_and_stand_once() -> None:
    assert len(TRADITIONAL_FORMS) > 150
    assert len(set(TRADITIONAL_FORMS.values())) == len(TRADITIONAL_FORMS)
    assert not TRADITIONAL_FORMS.keys() & set(TRADITIONAL_FORMS.values())
    for simplified, traditional in TRADITIONAL_FORMS.items():
        simplified.encode("gb2312")
        traditional.encode("big5")


def test_the_usual_languages_of_a_script() -> None:
    assert {"ru", "uk", "bg", "sr"} <= SCRIPT_LANGUAGES["Cyrl"]
    assert {"ar", "fa", "ur"} <= SCRIPT_LANGUAGES["Arab"]
    assert SCRIPT_LANGUAGES["Hant"] == {"zh"}
    assert "Latn" not in SCRIPT_LANGUAGES
    assert all(languages and all(len(code) == 2 for code in languages) for languages in SCRIPT_LANGUAGES.values())


@settings(deadline=None)
@given(st.text(max_size=300))
def test_every_text_has_a_language_that_its_script_may_have(text: str) -> None:
    language = language_of(text)
    if language.code != UNDETERMINED and language.script != "Latn":
        assert language.code in SCRIPT_LANGUAGES[language.script]
    assert bool(language.script) or language.code == UNDETERMINED


@pytest.mark.parametrize(
    "text", ["Die Tür ist geöffnet. ", "忘记密码时，", "Если вы "], ids=["German", "Chinese", "Russian"]
)
def test_a_text_of_five_hundred_characters_takes_some_microseconds(text: str) -> None:
    text = (text * 500)[:500]
    started = time.process_time()
    for _ in range(1000):
        language_of(text)
    assert time.process_time() - started < 0.4  # about 0.04; other work may be going on here
