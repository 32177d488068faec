"""Texts and file names that would act if a page took them for anything but text. Nothing listens at their address."""

from __future__ import annotations

ADDRESS = "http://127.0.0.1:9"
ESC = "\x1b"

TEXTS = {
    "script": "<script>window.owned=1;document.title='owned'</script>",
    "script source": f"<script src={ADDRESS}/s.js></script>",
    "image": f"<img src={ADDRESS}/i onerror=window.owned=1>",
    "image quoted": f'<img src="{ADDRESS}/q" alt="x">',
    "svg": "<svg onload=window.owned=1><circle r=9></svg>",
    "svg animation": "<svg><animate onbegin=window.owned=1 attributeName=x dur=1s></svg>",
    "iframe": f'<iframe src="{ADDRESS}/f"></iframe>',
    "iframe document": "<iframe srcdoc='<script>parent.owned=1</script>'></iframe>",
    "object": f'<object data="{ADDRESS}/o"></object>',
    "style": f"<style>body{{background:url({ADDRESS}/c)}}</style>",
    "stylesheet": f'<link rel=stylesheet href="{ADDRESS}/l.css">',
    "refresh": f'<meta http-equiv=refresh content="0;url={ADDRESS}/m">',
    "base": f'<base href="{ADDRESS}/">',
    "form": f'<form action="{ADDRESS}/p"><input name=q autofocus onfocus=window.owned=1></form>',
    "closing": "</div></details></p></script><b>out</b>",
    "attribute": '" onmouseover="window.owned=1" autofocus onfocus="window.owned=1',
    "markdown image": f"![x]({ADDRESS}/a?q=secret)",
    "markdown link": f"[press here]({ADDRESS}/b)",
    "reference image": f"![x][r]\n\n[r]: {ADDRESS}/r",
    "reference link": f"[press][s]\n\n[s]: {ADDRESS}/t",
    "autolink": f"<{ADDRESS}/u> and {ADDRESS}/v",
    "javascript link": "[press](javascript:window.owned=1)",
    "data link": "[press](data:text/html,<script>window.owned=1</script>)",
    "file link": "[press](file:///etc/passwd)",
    "latex": r"$\frac{1}{2}$ and $$\href{javascript:window.owned=1}{x}$$",
    "directives": ":red[REDMARK] :red-background[BACKMARK] :material/bomb: :small[SMALLMARK] :bomb:",
    "entities": "&lt;img src=x onerror=window.owned=1&gt; &#60;script&#62;",
    "terminal": f"{ESC}[31mred{ESC}[0m {ESC}]8;;{ADDRESS}/w{ESC}\\link{ESC}]8;;{ESC}\\ {ESC}]52;c;aGVsbG8={ESC}\\",
    "bidirectional": "user\u202egnp.exe\u202c and \u2066isolated\u2069",
    "zalgo": "z" + "\u0300\u0316\u0322\u0334\u0360" * 60 + "algo",
    "template": "{question} {{7*7}} %s ${{x}} {0.__class__}",
    "heading": "# Heading\n\n> quote\n\n- list\n\n```\ncode\n```\n\n---",
}

# Without a slash: these are names of files.
NAMES = {
    "image": "<img src=x onerror=window.owned=1>",
    "svg": "<svg onload=window.owned=1>",
    "markdown image": "![x](http:127.0.0.1:9)",
    "javascript link": "[press](javascript:window.owned=1)",
    "directives": ":red[REDMARK] :bomb:",
    "latex": r"$\frac{1}{2}$",
    "terminal": f"{ESC}[31mred{ESC}[0m",
    "bidirectional": "user\u202egnp",
    "entities": "&lt;b&gt;",
    "emphasis": "**bold** `code` ~~gone~~",
    "template": "{question} %s",
}

# What only a payload that acted would have left in the document.
ACTED = """
() => {
  const found = [];
  if (window.owned) found.push("a script ran");
  if (document.title.includes("owned")) found.push("the title changed");
  for (const element of document.querySelectorAll("*")) {
    for (const {name, value} of element.attributes) {
      if (name.startsWith("on")) found.push(`${element.tagName} has ${name}`);
      const places = ["src", "href", "action", "data", "srcdoc", "content"];
      if (places.includes(name) && /127\\.0\\.0\\.1:9(?!\\d)|^\\s*javascript:|^data:text|^file:/.test(value))
        found.push(`${element.tagName} has ${name}=${value.slice(0, 60)}`);
    }
    if (element.children.length || element.tagName === "MARK") continue;  // a mark is the app's own, around a quote
    const own = element.textContent.trim();
    if (["REDMARK", "BACKMARK", "SMALLMARK", "bomb", "out"].includes(own)) found.push(`${element.tagName} holds ${own} alone`);
  }
  if (document.querySelector(".katex, base, object, embed, meta[http-equiv=refresh]")) found.push("an element was made");
  const text = document.body.innerText;
  if (/[\\u001b\\u202e\\u2066]/.test(text)) found.push("a control character is on the page");
  return found;
}
"""
