// The pointer and the keyboard on a chart: both lead from mark to mark, and show the card of the network there.

/** Networks this near to the pointer answer to it, in pixels; groups are preferred to single seeds. */
const REACH = 26;
const PREFERENCE = 5;

/** The pointer and the keyboard on a panel. */
function listen(drawing, size, marks, faint, halo, onFront, x, y) {
  const order = [...marks].sort((a, b) => a.place.x - b.place.x || b.place.y - a.place.y);
  const byHeight = [...marks].sort((a, b) => b.place.y - a.place.y || a.place.x - b.place.x);
  let current = null;
  const onScreen = (place) => {
    const box = drawing.getBoundingClientRect();
    return { x: box.left + (place.x / size.width) * box.width, y: box.top + (place.y / size.height) * box.height };
  };
  const nearest = (event) => {
    const box = drawing.getBoundingClientRect();
    const [px, py] = [((event.clientX - box.left) / box.width) * size.width, ((event.clientY - box.top) / box.height) * size.height];
    let found = null;
    let least = REACH;
    for (const [items, bonus] of [[marks, PREFERENCE], [faint, 0]]) {
      for (const item of items) {
        const far = Math.hypot(item.place.x - px, item.place.y - py) - bonus;
        if (far < least) [found, least] = [item, far];
      }
    }
    return found;
  };
  const highlight = (item) => {
    if (!item) return halo.setAttribute("visibility", "hidden");
    halo.setAttribute("cx", item.place.x);
    halo.setAttribute("cy", item.place.y);
    halo.setAttribute("visibility", "visible");
  };
  const show = (item, options) => {
    highlight(item);
    showCard(item.subject, onScreen(item.place), options);
  };
  drawing.addEventListener("pointermove", (event) => {
    if (event.pointerType === "touch" || card.pinned) return;
    const found = nearest(event);
    if (found) show(found);
    else {
      highlight(null);
      hideCard();
    }
  });
  drawing.addEventListener("pointerleave", () => {
    if (card.pinned) return;
    highlight(null);
    hideCard();
  });
  drawing.addEventListener("click", (event) => {
    const found = nearest(event);
    if (!found) return;
    if (marks.includes(found)) current = found;
    show(found, { pin: true, origin: drawing });
  });
  const go = (item) => {
    current = item;
    show(item, { origin: drawing });
    const front = onFront.has(item.subject) ? ", on the Pareto front" : "";
    const collapsed = item.subject.collapsed ? ", collapsed" : "";
    say(`${nameOf(item.subject)}: ${y.title} ${measure(y, item.y)}, ${x.title} ${measure(x, item.x)}${front}${collapsed}`);
  };
  drawing.addEventListener("focus", () => {
    if (drawing.matches(":focus-visible") && !card.pinned && !card.closing && order.length) go(current || order[0]);
  });
  drawing.addEventListener("blur", () => {
    if (card.pinned) return;
    highlight(null);
    hideCard();
  });
  drawing.addEventListener("keydown", (event) => {
    const steps = { ArrowRight: [order, 1], ArrowLeft: [order, -1], ArrowUp: [byHeight, 1], ArrowDown: [byHeight, -1] };
    if (event.key in steps && order.length) {
      const [items, step] = steps[event.key];
      const place = current ? items.indexOf(current) + step : 0;
      go(items[Math.max(0, Math.min(items.length - 1, place))]);
    } else if ((event.key === "Home" || event.key === "End") && order.length) {
      go(event.key === "Home" ? order[0] : order[order.length - 1]);
    } else if (event.key === "Enter" && current) {
      show(current, { pin: true, origin: drawing });
    } else return;
    event.preventDefault();
  });
}
