// Makes elements and changes what stands on the page into what should stand there. Text of a node
// only ever becomes text: there is no way here to make HTML of a string.

const svgTags = new Set(['svg', 'path', 'line', 'circle', 'text', 'g', 'rect', 'polyline']);

/** An element with attributes and children; null, undefined and false are left out. */
export function h(tag, attributes, ...children) {
  const made = svgTags.has(tag)
    ? document.createElementNS('http://www.w3.org/2000/svg', tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === true) {
      made.setAttribute(name, '');
    } else if (value !== null && value !== undefined && value !== false) {
      made.setAttribute(name, String(value));
    }
  }

  for (const child of children.flat(Infinity)) {
    if (child instanceof Node) {
      made.append(child);
    } else if (child !== null && child !== undefined && child !== false && child !== '') {
      made.append(document.createTextNode(String(child)));
    }
  }

  return made;
}

/** Fills an element that is there anyway; what has not changed keeps its focus and place. */
export function fill(id, ...children) {
  const target = document.getElementById(id);
  const next = children.flat(Infinity).filter(child => child instanceof Node);
  target.hidden = next.length === 0;
  patchChildren(target, next);
}

/** Sets a text, and nothing when it is there already, so that no reader says it twice. */
export function setText(id, text) {
  const target = document.getElementById(id);
  if (target.textContent !== text) {
    target.textContent = text;
  }
}

function patch(old, next) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== next.data) {
      old.data = next.data;
    }

    return;
  }

  for (const { name } of [...old.attributes]) {
    // Whether a person has unfolded something is theirs to say.
    if (!next.hasAttribute(name) && !(name === 'open' && old.nodeName === 'DETAILS')) {
      old.removeAttribute(name);
    }
  }

  for (const { name, value } of next.attributes) {
    if (old.getAttribute(name) !== value) {
      old.setAttribute(name, value);
    }
  }

  patchChildren(old, [...next.childNodes]);
}

function patchChildren(target, next) {
  const keyed = new Map();
  for (const child of target.children) {
    if (keyOf(child)) {
      keyed.set(keyOf(child), child);
    }
  }

  let place = target.firstChild;
  for (const child of next) {
    const found = keyOf(child) ? keyed.get(keyOf(child)) : sameKind(place, child) ? place : null;
    if (!found || found.nodeName !== child.nodeName) {
      target.insertBefore(child, place);
      continue;
    }

    if (found === place) {
      place = place.nextSibling;
    } else {
      target.insertBefore(found, place);
    }

    patch(found, child);
  }

  while (place) {
    const after = place.nextSibling;
    place.remove();
    place = after;
  }
}

function sameKind(old, next) {
  return old && !keyOf(old) && old.nodeType === next.nodeType && old.nodeName === next.nodeName;
}

function keyOf(node) {
  return node.dataset?.key;
}
