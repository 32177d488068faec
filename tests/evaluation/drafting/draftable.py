"""Documents that questions of every stratum can be drafted from, by path."""

from __future__ import annotations

BASE = {
    "docs/kettles.md": "# Kettles and urns\n\nThe blue kettle holds 12 cups. A kettle is descaled every 3 weeks.\n\n"
    "## Descaling a kettle\n\nTo descale it, fill it with vinegar and wait for an hour.\n\n"
    "| Code | What it means |\n| --- | --- |\n| K-17 | The lid is open |\n| K-21 | The water is low |\n",
    "docs/bicycles.md": "# Bicycles\n\nA bicycle is lent for 5 days. If a tyre is flat on the way, call the porter. "
    "The bicycle shed is in Building F.\n\nBicycles are repaired by the porters' team. KB-900 means that the frame is bent.",
    "docs/图书.md": "# 图书借阅\n\n每次最多可以借阅 4 本图书，借阅期限为 21 天。图书丢失的，请联系图书管理员。\n\n"
    "M-77：书架已满。\n\n苏州馆的阅览室 21:30 关门。",
}
