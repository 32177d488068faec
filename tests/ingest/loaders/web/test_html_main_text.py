"""Where the main text of a page is, and what is said of the rest."""

from __future__ import annotations

import pytest
import trafilatura

from ingest.loaders.extract import Extract, LoadOptions
from ingest.loaders.web.html import load_html

PROSE = (
    "The VPN lets you reach file shares and the drawing archive when you are away from the office, in a train or abroad. "
    "It is cut after ten hours, and you have to sign in again with the code that your telephone shows. "
)
CHINESE = "忘记密码时，请打开重置页面设置新密码，然后在手机上确认。连接十小时后会断开，需要重新登录，代码显示在手机上。"
MENU = "<div class=menu><ul><li><a href=/>Home page</a><li><a href=/c>Contact</a><li><a href=/s>Site map</a></ul></div>"
# A page that is mostly menu: two hundred links in elements that say nothing of themselves.
LINKS = (
    "<div><ul>" + "".join(f"<li><a href=/{i}>Chapter {i}: something else</a></li>" for i in range(200)) + "</ul></div>"
)


def load(body: str) -> Extract:
    (extract,) = load_html(f"<html><head><title>T</title></head><body>{body}</body></html>".encode(), LoadOptions())
    return extract


# The author says it


@pytest.mark.parametrize(
    "page",
    [
        pytest.param("{menu}<main>{text}</main><div>Other words, not in a link.</div>", id="main"),
        pytest.param("{menu}<div role=main>{text}</div><div>Other words, not in a link.</div>", id="role"),
        pytest.param("{menu}<article>{text}</article><div>Other words, not in a link.</div>", id="the only article"),
        pytest.param(
            "{menu}<main><article>{text}</article></main><article>Other words</article>", id="main before article"
        ),
    ],
)
@pytest.mark.parametrize("text", [PROSE, CHINESE, "Short."], ids=["English", "Chinese", "short"])
def test_the_part_that_the_author_names_is_read_whole(page: str, text: str) -> None:
    if text == "Short.":
        page = page.replace("Other words, not in a link.", "").replace("Other words", "")
    body = f"<h1>Head</h1><p>{text.strip()}</p><div class=comments>tiny</div><ul><li><a href=x>link</a></ul>"
    assert load(page.format(menu=MENU, text=body)).text == f"# Head\n\n{text.strip()}\n\ntiny\n\n- link"


def test_what_stands_beside_the_text_in_it_is_left_out() -> None:
    extract = load(
        "<header><a href=/>Site</a></header><main><header><h1>Head</h1></header><nav>way</nav><aside>advert</aside>"
        f"<div role=navigation>more way</div><p>{PROSE}</p><div role=complementary>elsewhere</div>"
        "<footer>imprint</footer></main>"
    )
    assert extract.text == f"# Head\n\n{PROSE.strip()}"


@pytest.mark.parametrize(
    "remark",
    [
        "<aside class='footnote brackets'>Kept.</aside>",
        "<aside class='admonition warning'>Kept.</aside>",
        "<aside role=note>Kept.</aside>",
        "<section><footer class=footnotes>Kept.</footer></section>",
        "<blockquote><footer>Kept.</footer></blockquote>",
    ],
)
def test_footnotes_and_remarks_belong_to_the_text(remark: str) -> None:
    assert load(f"<main><p>{PROSE}</p>{remark}</main>").text == f"{PROSE.strip()}\n\nKept."


def test_what_is_called_the_footer_of_the_page_within_the_text_is_none() -> None:
    results = "<ol><li><h2>Hit</h2><div role=contentinfo>Its words.</div></ol>"
    assert load(f"<main>{results}</main><div role=contentinfo>Imprint</div>").text == "## Hit\n\nIts words."


def test_an_article_that_is_a_teaser_is_not_taken_for_the_text() -> None:
    extract = load(f"<div><h1>Head</h1><p>{PROSE * 3}</p></div><article>Read this, too.</article>")
    assert PROSE.strip() in extract.text
    assert "# Head" in extract.text


@pytest.mark.parametrize("main", ["<main></main>", "<main><p>Loading</p></main>", "<main hidden>old</main>"])
def test_an_author_who_names_an_empty_part_is_not_believed(main: str) -> None:
    extract = load(f"{main}<div><p>{PROSE * 3}</p></div>")
    assert PROSE.strip() in extract.text


# Nobody says it


@pytest.mark.parametrize("prose", [PROSE * 4, CHINESE * 4], ids=["English", "Chinese"])
def test_menus_are_left_out_where_nobody_says_what_they_are(prose: str) -> None:
    body = f"<h1>Head</h1><p>{prose}</p><h2>More</h2><p>{prose} Twice.</p><p>tiny</p>"
    extract = load(f"{MENU}<div>{LINKS}<div class=content>{body}</div></div>")
    assert extract.text.startswith("# Head")
    assert extract.text.endswith("Twice.\n\ntiny")
    assert "Chapter" not in extract.text
    assert "Home" not in extract.text


def test_everything_in_the_place_of_the_main_text_is_read() -> None:
    # All of this is text that trafilatura drops.
    body = (
        f"<h1>Head</h1><p>{PROSE * 4}</p><h3>Steps</h3><table><caption>Codes</caption><tr><th>Code<th>Meaning"
        "<tr><td rowspan=2>HC-12<td>clock<tr><td>key</table><details><summary>Why?</summary><p>Because.</p></details>"
        "<pre>a\n\n  b</pre><figure><figcaption>The rooms</figcaption></figure><p>密码\n设置</p>"
    )
    assert load(f"{LINKS}<div>{body}</div>").text.split("\n\n", 2)[2] == (
        "### Steps\n\nCodes\n\nCode | Meaning\nHC-12 | clock\nHC-12 | key\n\nWhy?\n\nBecause.\n\na\n\n  b\n\nThe rooms\n\n"
        "密码设置"
    )


def test_the_little_that_stands_around_that_place_is_read_too() -> None:
    extract = load(f"{LINKS}<div><h1>Head</h1><p>By Wu</p><div><p>{PROSE * 4}</p><p>{CHINESE * 4}</p></div></div>")
    assert extract.text.startswith("# Head\n\nBy Wu\n\nThe VPN")


# Lines that are too short for anything to be told of them: opening hours, keys, labels.
SHORT_LINES = "".join(f"<p>at {hour} o'clock</p>" for hour in range(24))


def test_much_that_stands_elsewhere_is_not() -> None:
    extract = load(f"<div>{SHORT_LINES}</div><div><h1>Head</h1><p>{PROSE * 4}</p></div>")
    assert extract.text == f"# Head\n\n{(PROSE * 4).strip()}"


def test_unless_it_is_most_of_the_page() -> None:
    extract = load(f"<div>{SHORT_LINES * 5}</div><div><h1>Head</h1><p>{PROSE * 4}</p></div>")
    assert extract.text.count("o'clock") == 24 * 5
    assert "# Head" in extract.text


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("<p>One short sentence.</p>", id="a sentence"),
        pytest.param("<div>密码</div>", id="a word of Chinese"),
        pytest.param(MENU + "<p>A remark of seven words in all.</p>", id="a remark under a menu"),
        pytest.param(MENU, id="nothing but links"),
        pytest.param(f"<nav>{MENU}</nav>", id="nothing but navigation"),
        pytest.param("<header><p>All in the header.</p></header>", id="nothing but a header"),
        pytest.param("<table><tr><td>a<td>b<tr><td>1<td>2</table>", id="a table"),
        pytest.param("<form><p>Text in a form.</p></form>", id="a form"),
    ],
)
def test_a_page_with_little_text_does_not_come_out_empty(body: str) -> None:
    assert load(body).text


def test_text_is_not_lost_where_trafilatura_finds_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trafilatura, "bare_extraction", lambda *arguments, **options: None)
    assert load(f"<div><p>{PROSE}</p></div><div><p>{CHINESE}</p></div>").text == f"{PROSE.strip()}\n\n{CHINESE}"


def test_a_page_that_is_nested_too_deep_for_trafilatura_is_read() -> None:
    extract = load("<ul><li>" * 900 + f"<p>{PROSE}</p>" + "</ul>" * 900)
    assert extract.text.strip("- ") == PROSE.strip()


def test_the_header_of_a_page_stays_where_it_holds_the_title() -> None:
    extract = load(f"<header><h1>Head</h1><p>by Wu</p></header><p>{PROSE}</p>")
    assert extract.text == f"# Head\n\nby Wu\n\n{PROSE.strip()}"


# What is said of it


def test_a_large_share_that_is_left_out_is_said() -> None:
    extract = load(f"{LINKS}<main>{PROSE}</main>")
    (note,) = extract.notes
    assert note == "96% of the words on the page were left out as navigation and the like."
    assert extract.remedy


def test_a_small_share_is_not() -> None:
    assert load(f"<nav>{MENU}</nav><main>{PROSE}</main>").notes == ()
    assert load(f"<nav>{MENU}</nav><main>A word.</main>").notes == ()
