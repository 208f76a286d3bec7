// What `[expect]` says, held against the results: what needs attention stands first.

const VERDICTS = ["fail", "undecided", "pass", "not-asked"];

/** A value beside its limit, in per cent where that is so written. */
function expectedValue(line, value) {
  if (!isNumber(value)) return DASH;
  if (line.expected.replace(/at.*/, "").includes("%")) return withUnit(fixed(value * 100, 2), "%");
  return Number.isInteger(value) ? fixed(value, 0) : fixed(value, 4);
}

function makeExpectations() {
  const lines = list(report.expectations);
  if (lines.length === 0) return null;
  const place = (line) => VERDICTS.indexOf(line.verdict);
  const words = { fail: "failed", undecided: "undecided", pass: "passed", "not-asked": "not asked for" };
  const counts = VERDICTS.map((verdict) => [lines.filter((line) => line.verdict === verdict).length, words[verdict]]);
  const title = counts.filter(([count]) => count > 0).map(([count, word]) => `${count} ${word}`).join(", ");
  const line = (expectation) => {
    const { low, high } = expectation;
    const interval = isNumber(low) && isNumber(high)
      ? ` (${expectedValue(expectation, low)} to ${expectedValue(expectation, high)})` : "";
    const good = expectation.verdict === "pass" || expectation.verdict === "not-asked";
    return html("tr", {},
      html("td", {}, html("b", { class: good ? null : "warning" }, expectation.verdict.replace("-", " "))),
      html("td", {}, breakable(instanceName(expectation.model, expectation.axes || {}))),
      html("td", {}, expectation.measure),
      html("td", {}, expectation.expected),
      html("td", {}, `${expectedValue(expectation, expectation.value)}${interval}`),
      html("td", { class: "faint" }, expectation.because || ""));
  };
  const sorted = [...lines].sort((a, b) => place(a) - place(b));
  const element = section("expectations", `Expectations: ${title}`, null,
    html("div", { class: "table-box", tabindex: 0, role: "region", "aria-label": "Expectations, scrolls" },
      html("table", {},
        html("thead", {}, html("tr", {}, ["", "network", "measure", "expected", "is", ""].map((head) => html("th", {}, head)))),
        html("tbody", {}, sorted.map(line)))));
  return { element, draw: () => {} };
}
