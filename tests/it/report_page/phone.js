// How wide the page is, and that what is wider scrolls inside its box.
const box = document.querySelector("#table .table-box");
tell({
  width: innerWidth,
  fits: document.documentElement.scrollWidth <= document.documentElement.clientWidth,
  "too-wide": [...document.querySelectorAll("main *")].filter((element) => element.getBoundingClientRect().right > innerWidth + 1
    && !element.closest(".table-box, .graph, .map")).map((element) => element.outerHTML.slice(0, 120)).slice(0, 5),
  "table-scrolls": box.scrollWidth > box.clientWidth,
});
