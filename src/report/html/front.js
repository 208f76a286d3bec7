// The Pareto front: networks that no other one beats in both directions.

/**
 * The points on the front, by rising cost. `points` have `x` and `y`; `lowX` and `highY` say which way is better. Of equal
 * points the first is kept.
 */
function paretoFront(points, lowX, highY) {
  const sign = { x: lowX ? 1 : -1, y: highY ? -1 : 1 };
  const sorted = [...points].sort((a, b) => sign.x * (a.x - b.x) || sign.y * (a.y - b.y));
  const front = [];
  let best = Infinity;
  for (const point of sorted) {
    // What differs by a rounding is equal.
    if (sign.y * point.y < best - 1e-12) {
      best = sign.y * point.y;
      front.push(point);
    }
  }
  return front.sort((a, b) => a.x - b.x);
}

/**
 * The stairs along the front, from the best edge of costs: everything on their far side is beaten by a network on it.
 * `at` gives a point's place in the drawing; `edges` are the places of its left and right borders.
 */
function stairs(front, at, lowX, edges) {
  if (front.length === 0) return "";
  const places = front.map(at);
  const last = places[places.length - 1];
  if (lowX) return `M${places[0].x},${places[0].y}${places.slice(1).map(({ x, y }) => `H${x}V${y}`).join("")}H${edges.right}`;
  return `M${edges.left},${places[0].y}H${places[0].x}${places.slice(1).map(({ x, y }) => `V${y}H${x}`).join("")}V${last.y}`;
}
