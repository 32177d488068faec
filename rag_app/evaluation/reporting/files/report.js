"use strict";
// Shows the questions of a comparison. All texts are data: they are set as text, never as markup.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const PAGE = 50; // questions added at once
  const control = (name) => document.getElementById(`choose-${name}`);
  const [chooseA, chooseB, chooseMetric, chooseShow, chooseText] = ["a", "b", "metric", "show", "text"].map(control);
  const list = document.getElementById("list");
  const more = document.getElementById("more");
  let shown = [];

  const element = (tag, className, ...content) => {
    const made = document.createElement(tag);
    if (className) made.className = className;
    made.append(...content);
    return made;
  };
  const text = (tag, className, content) => {
    const made = element(tag, className, content);
    made.dir = "auto";
    return made;
  };
  const option = (value, name) => {
    const made = element("option", "", name);
    made.value = value;
    return made;
  };
  const figure = (value) => (value === null ? "–" : value.toFixed(3));
  const numbered = (system) => `${system + 1} ${data.systems[system].name}`;
  const chosen = () => [Number(chooseA.value), Number(chooseB.value)];
  const outcome = (system, question) => data.systems[system].outcomes[question];

  // What the two systems did with each question, by the metric chosen; a value that is missing cannot differ.
  const results = () => {
    const [a, b] = chosen();
    const metric = Number(chooseMetric.value);
    const wanted = chooseText.value.trim().toLowerCase();
    const all = [];
    data.questions.forEach((question, number) => {
      if (wanted && !question.text.toLowerCase().includes(wanted)) return;
      const values = [a, b].map((system) => outcome(system, number).values[metric] ?? null);
      const known = values[0] !== null && values[1] !== null;
      const failed = [a, b].some((system) => outcome(system, number).failure);
      all.push({ number, values, known, failed, difference: known ? values[0] - values[1] : 0 });
    });
    return all;
  };
  const KINDS = {
    differ: ["where they differ", (one) => one.difference !== 0],
    a: ["where the first is better", (one) => one.difference > 0],
    b: ["where the second is better", (one) => one.difference < 0],
    same: ["where both are the same", (one) => one.known && one.difference === 0],
    failed: ["where one failed", (one) => one.failed],
    all: ["all", () => true],
  };

  const passageElement = (system, rank, found, answers) => {
    const [number, gain, ...scores] = found;
    const passage = data.passages[number];
    const head = element("span", "head", element("span", "", `[${rank}]`), text("span", "", passage.document));
    if (gain > 0) head.append(element("span", "rightness", gain === 1 ? "✓ right" : `✓ right, gain ${gain}`));
    const named = data.systems[system].scores
      .map((name, place) => (scores[place] === null ? "" : `${name} ${figure(scores[place])}`))
      .filter(Boolean)
      .join(" · ");
    const body = text("div", "text", "");
    body.append(...marked(passage.text, gain > 0 ? answers : []));
    const place = `characters ${passage.start} to ${passage.end}`;
    const note = element("p", "note", [named, place].filter(Boolean).join(" · "));
    const made = element("details", gain > 0 ? "passage right" : "passage", element("summary", "", head), body, note);
    made.open = rank === 1 || gain > 0;
    return made;
  };

  // The first known answer that stands in the text is marked.
  const marked = (content, answers) => {
    const lower = content.toLowerCase();
    const answer = lower.length === content.length && answers.find((one) => one && lower.includes(one.toLowerCase()));
    if (!answer) return [content];
    const start = lower.indexOf(answer.toLowerCase());
    const end = start + answer.length;
    return [content.slice(0, start), element("mark", "", content.slice(start, end)), content.slice(end)];
  };

  const answerElements = (answer) => {
    if (!answer) return [element("p", "note", "No answer was asked for.")];
    const body = text("div", "text", "");
    for (const [sentence, supported, cited] of answer.sentences) {
      const part = element("span", supported ? "" : "unsupported", sentence);
      if (!supported) part.title = "No passage supports this.";
      body.append(part, ...cited.map((place) => element("span", "cite", `[${place}]`)), " ");
    }
    const notes = [
      answer.abstained && "It abstained.",
      answer.abstention,
      answer.sentences.some(([, supported]) => !supported) && "Underlined: no passage supports it.",
      answer.cut && "The answer ends here: it reached its longest, or the model repeated itself.",
    ];
    return [body, ...notes.filter(Boolean).map((note) => text("p", "note", note))];
  };

  const sideElement = (system, number, question) => {
    const found = outcome(system, number);
    const side = element("div", "side", text("h4", "", numbered(system)));
    if (found.failure) side.append(text("p", "warned", `Failed: ${found.failure}`));
    else side.append(...answerElements(found.answer));
    const rank = found.found.findIndex(([, gain]) => gain > 0) + 1;
    const right = !question.answerable ? "" : rank ? `The first right one is at rank ${rank}. ` : "None is right. ";
    side.append(element("p", "note", `${found.found.length} passages. ${right}${found.seconds.toFixed(3)} s.`));
    side.append(...found.found.map((one, place) => passageElement(system, place + 1, one, question.answers)));
    return side;
  };

  const fill = (details, number) => {
    const question = data.questions[number];
    const known = question.answerable ? `Known answers: ${question.answers.join(" | ") || "only the place is known"}` : "No document answers this.";
    const systems = [...new Set(chosen())];
    details.append(
      text("p", "note", `${question.key}. ${known}`),
      element("div", "sides", ...systems.map((system) => sideElement(system, number, question))),
    );
  };

  const questionElement = (one) => {
    const sign = one.difference > 0 ? "▲" : one.difference < 0 ? "▼" : "=";
    const values = chosen()[0] === chosen()[1] ? figure(one.values[0]) : `${sign} ${one.values.map(figure).join(" against ")}`;
    const line = element("span", "asked", text("span", "question", data.questions[one.number].text), element("span", "outcome", values));
    const details = element("details", "", element("summary", "", line));
    details.addEventListener("toggle", () => fill(details, one.number), { once: true });
    return details;
  };

  const showMore = () => {
    const first = list.childElementCount;
    list.append(...shown.slice(first, first + PAGE).map(questionElement));
    more.hidden = list.childElementCount >= shown.length;
  };

  const show = () => {
    const all = results();
    const count = (kind) => all.filter(KINDS[kind][1]).length;
    for (const each of chooseShow.options) each.textContent = `${KINDS[each.value][0]} (${count(each.value)})`;
    shown = all.filter(KINDS[chooseShow.value][1]);
    shown.sort((one, other) => Math.abs(other.difference) - Math.abs(one.difference) || one.number - other.number);
    const [a, b] = chosen();
    document.getElementById("summary").textContent =
      a === b
        ? `${numbered(a)}: choose another system to compare it with.`
        : `By ${data.metrics[Number(chooseMetric.value)] ?? "nothing"}: ${numbered(a)} is better in ${count("a")} questions, ` +
          `${numbered(b)} in ${count("b")}, both are the same in ${count("same")}; ${all.filter((one) => !one.known).length} have no value of one or both.`;
    list.replaceChildren();
    showMore();
  };

  data.systems.forEach((system, number) => {
    chooseA.append(option(number, numbered(number)));
    chooseB.append(option(number, numbered(number)));
  });
  data.metrics.forEach((name, number) => chooseMetric.append(option(number, name)));
  Object.entries(KINDS).forEach(([kind, [name]]) => chooseShow.append(option(kind, name)));
  if (data.systems.length && data.questions.length) {
    chooseA.value = data.chosen.a;
    chooseB.value = data.chosen.b;
    chooseMetric.value = data.chosen.metric;
    if (data.chosen.a === data.chosen.b) chooseShow.value = "all";
    for (const each of [chooseA, chooseB, chooseMetric, chooseShow]) each.addEventListener("change", show);
    chooseText.addEventListener("input", show);
    more.addEventListener("click", showMore);
    document.getElementById("controls").hidden = false;
    show();
  }
})();
