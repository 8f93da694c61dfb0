// Rows of failed points, and what they are made of.

export function element(tag, text = "", properties = {}) {
  const made = Object.assign(document.createElement(tag), properties);
  made.textContent = text;
  return made;
}

export function words(params) {
  return Object.entries(params).map(([name, value]) => `${name} = ${value}`).join(", ");
}

/* Rows that are there stay as they are: somebody may be reading one while others come. */
export function mergeFailures(place, name, rows, start) {
  if (start === 0 && place.children.length > rows.length && rows.length === 100) return;
  const there = new Map([...place.children].map((row) => [row.dataset.key, row]));
  let next = start === 0 ? place.firstElementChild : null;
  for (const each of rows) {
    const key = `${name}/${each.position}/${each.attempts}`;
    const row = there.get(key) ?? failureRow(each, key);
    if (row === next) next = next.nextElementSibling;
    else place.insertBefore(row, next);
  }
  while (next) {
    const gone = next;
    next = next.nextElementSibling;
    gone.remove();
  }
}

function failureRow(each, key) {
  const row = element("details");
  row.dataset.key = key;
  const head = element("summary");
  const what = each.message ? `${each.type}: ${each.message.split("\n")[0].slice(0, 300)}` : each.type;
  head.append(element("span", what || each.kind, { className: "what" }));
  head.append(element("span", `  ${words(each.params)}`, { className: "where" }));
  const times = each.attempts > 1 ? `, tried ${each.attempts} times` : "";
  row.append(head, element("pre", each.traceback), element("p",
    `${each.kind}, point ${each.position}${times}`, { className: "note" }));
  return row;
}
