// Opens the card of the first network, and tells what it says of classes and constants.
const line = document.querySelector("#table tbody tr");
line.focus();
line.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true }));
const card = document.querySelector("#card");
tell({
  card: card.textContent,
  bars: [...card.querySelectorAll(".per-class title")].map((title) => title.textContent),
  marked: card.querySelectorAll("b, img").length,
});
