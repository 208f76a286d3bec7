// What is on the page.
tell({
  sections: [...document.querySelectorAll("main > section")].map((section) => section.id),
  text: document.body.innerText,
});
