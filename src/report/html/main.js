// Puts the sections on the page. A section whose data the document lacks stays away.

drawHeader();
{
  const main = document.getElementById("main");
  const scatter = groups.length ? makeScatter() : null;
  const parts = [
    makeExpectations(),
    groups.length ? { element: makeFindings(), draw: () => {} } : null,
    makeAgainst(),
    scatter,
    groups.length ? makeTable() : null,
    makeCurves(),
    makeLayers(),
    makeGraph(),
  ].filter((part) => part?.element);
  main.replaceChildren(...parts.map((part) => part.element));
  if (!groups.length) main.prepend(html("p", { class: "empty" }, "No evaluated network yet: run the pipeline's evaluate stage first."));
  // Drawings need to know their width, so they are drawn when they are on the page.
  for (const part of parts) part.draw();
  document.querySelector("nav").append(...parts.map(({ element }) =>
    html("a", { href: `#${element.id}` }, { expectations: "Expectations", against: "Against", findings: "Findings", networks: "Chart", table: "Table", training: "Training", layers: "Layers", stages: "Stages" }[element.id])));
  const made = [report.pleach ? `pleach ${report.pleach}` : "pleach", report.pipeline?.manifest].filter(Boolean);
  document.getElementById("end").append(html("p", { class: "note" }, `Made by ${made.join(" from ")}.`));
}

addEventListener("beforeprint", () => {
  hideCard(true);
  for (const details of document.querySelectorAll("details:not(.control)")) details.open = true;
});
