// Runs before the page's own script: keeps errors, and tells the test what another script found.
const errors = [];
addEventListener("error", (event) => errors.push(event.message));

/** Ends the test's script: puts the findings where the dump of the page, or the page around this one, has them. */
function tell(found) {
  const text = JSON.stringify({ errors, ...found });
  const hexadecimal = [...new TextEncoder().encode(text)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  if (parent !== window) return parent.postMessage(hexadecimal, "*");
  const element = document.createElement("pre");
  element.id = "found";
  element.textContent = hexadecimal;
  document.body.append(element);
}
