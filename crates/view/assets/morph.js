// Makes an element's content like another's with as few changes as needed, so that what the reader has opened, focused or begun
// to write stays: an open fold, a half-typed comment, the selection.

/** Whether two nodes may become one another: same kind, same tag, same id. */
export function fits(old, fresh) {
  return old.nodeType === fresh.nodeType && old.nodeName === fresh.nodeName && (old.id || "") === (fresh.id || "");
}

/** Where, from `start` on, the child stands that `fresh` continues; -1 where there is none. An id is looked for, a tag only at the spot. */
export function match(children, start, fresh) {
  if (fresh.id) {
    for (let at = start; at < children.length; at += 1) if (fits(children[at], fresh)) return at;
    return -1;
  }
  return start < children.length && fits(children[start], fresh) ? start : -1;
}

export function morph(old, fresh) {
  const wanted = Array.from(fresh.childNodes);
  for (let at = 0; at < wanted.length; at += 1) {
    const found = match(old.childNodes, at, wanted[at]);
    if (found < 0) {
      old.insertBefore(wanted[at], old.childNodes[at] ?? null);
      continue;
    }
    if (found > at) old.insertBefore(old.childNodes[found], old.childNodes[at]);
    become(old.childNodes[at], wanted[at]);
  }
  while (old.childNodes.length > wanted.length) old.lastChild.remove();
}

function become(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeType !== Node.ELEMENT_NODE) {
    old.nodeValue = fresh.nodeValue;
    return;
  }
  const keep = readers(old);
  for (const { name } of Array.from(old.attributes)) {
    if (!fresh.hasAttribute(name) && !keep.includes(name)) old.removeAttribute(name);
  }
  for (const { name, value } of Array.from(fresh.attributes)) {
    if (old.getAttribute(name) !== value && !keep.includes(name)) old.setAttribute(name, value);
  }
  morph(old, fresh);
}

/** The attributes that are the reader's, not the server's. A hidden field's value is the server's: it says what a button does. */
export function readers({ nodeName, type }) {
  if (nodeName === "DETAILS") return ["open"];
  return nodeName === "INPUT" && type !== "hidden" ? ["value", "checked"] : [];
}
