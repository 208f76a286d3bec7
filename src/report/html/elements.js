// Elements of the page. Strings become text, never markup, so that any name can be shown.

/** An HTML element. Attributes that are functions listen to the event of that name. */
function html(tag, attributes, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** An SVG element. */
function svg(tag, attributes, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** A section with a heading, and a line that says how to read it. */
function section(id, title, note, ...children) {
  return html("section", { id, "aria-labelledby": `${id}-title` },
    html("h2", { id: `${id}-title` }, title),
    note ? html("p", { class: "note" }, note) : null,
    ...children);
}

/** A labelled `select`. Options are `[value, text]`. */
function chooser(label, options, chosen, onChoice) {
  const select = html("select", { change: () => onChoice(select.value) },
    options.map(([value, text]) => html("option", { value, selected: value === chosen }, text)));
  return html("label", { class: "chooser" }, html("span", {}, label), select);
}

/** A button that is pressed or not. */
function toggle(label, pressed, onClick, attributes) {
  return html("button", { type: "button", "aria-pressed": String(pressed), click: onClick, ...attributes }, label);
}

/** A long name that may go on in the next line behind a comma or a bracket. */
function breakable(name) {
  return String(name).split(/(?<=[,[])/).flatMap((part, index) => (index ? [html("wbr"), part] : [part]));
}

/** Says something to people who listen to the page. */
function say(text) {
  document.getElementById("said").textContent = text;
}

/** The width that an element's content may take, for drawings that fit it. */
function widthOf(element, otherwise) {
  const style = getComputedStyle(element);
  const width = element.clientWidth - parseFloat(style.paddingLeft || 0) - parseFloat(style.paddingRight || 0);
  return width > 0 ? width : otherwise;
}

/** Calls `draw` now, and again whenever the element has another width. Paper scales drawings by itself. */
function drawnAtWidth(element, draw) {
  let drawn = null;
  const redraw = () => {
    const width = Math.floor(widthOf(element, 640));
    if (width === drawn || matchMedia("print").matches) return;
    drawn = width;
    draw(width);
  };
  // In the next frame, as drawing may change the height that is being observed.
  new ResizeObserver(() => requestAnimationFrame(redraw)).observe(element);
  redraw();
}

/** `draw`, but once typing has paused: for what is costly to draw and further down the page. */
function inAMoment(draw) {
  let timer = null;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(draw, 120);
  };
}

/** Copies text, and says on the button whether that went well. */
async function copy(text, button) {
  const before = button.textContent;
  let copied = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Pages that come from a file may lack the clipboard's interface.
    const field = html("textarea", { class: "unseen" }, text);
    button.after(field);
    field.select();
    copied = document.execCommand("copy");
    field.remove();
    button.focus();
  }
  button.textContent = copied ? "Copied" : "Select and copy by hand";
  setTimeout(() => { button.textContent = before; }, 1600);
}
