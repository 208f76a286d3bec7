// Chooses every evaluation, and tells what is shown of it.
const names = (selector) => [...document.querySelectorAll(selector)].map((element) => element.dataset.network).sort();
const chooser = document.querySelector(".filters select");
tell({
  evaluations: [...chooser.options].map((option) => {
    chooser.value = option.value;
    chooser.dispatchEvent(new Event("change"));
    return { title: option.textContent, marks: names(".panels [data-network]"), lines: names("#table tbody tr"),
      note: document.querySelector("#table div:last-child > .note").textContent };
  }),
});
