// Numbers with units and times as people say them.

// Between a number and its unit no line is broken.
const gap = '\u00a0';
const sizes = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** Bytes with a binary unit and at most three digits that count. */
export function bytes(count) {
  if (count === null || count === undefined) {
    return 'not known';
  }

  let unit = 0;
  let value = count;
  while (value >= 1024 && unit < sizes.length - 1) {
    value /= 1024;
    unit += 1;
  }

  return `${unit === 0 ? value : digits(value)}${gap}${sizes[unit]}`;
}

/** A number with at most three digits that count, and groups of three. */
export function digits(value) {
  const places = value >= 100 || Number.isInteger(value) ? 0 : value >= 10 ? 1 : 2;
  return value.toLocaleString('en', { maximumFractionDigits: places });
}

/** Microseconds in the unit that fits. */
export function micros(us) {
  return us >= 1e6 ? `${digits(us / 1e6)}${gap}s` : us >= 1000
    ? `${digits(us / 1000)}${gap}ms` : `${digits(us)}${gap}µs`;
}

/** Milliseconds in the unit that fits. */
export function millis(ms) {
  return micros(ms * 1000);
}

/** How long something takes or lasts, in two units at most. */
export function span(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) {
    return `${whole}${gap}s`;
  }

  const steps = [[86400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']];
  const first = steps.findIndex(([size]) => whole >= size);
  const [size, name] = steps[first];
  const rest = steps[first + 1];
  const more = Math.floor((whole % size) / rest[0]);
  return `${Math.floor(whole / size)}${gap}${name}${more > 0 ? ` ${more}${gap}${rest[1]}` : ''}`;
}

/** How long ago, in words. */
export function ago(seconds) {
  return seconds < 1.5 ? 'just now' : `${span(seconds)} ago`;
}

/** One of a thing, or many. */
export function count(number, one, many = `${one}s`) {
  return `${number.toLocaleString('en')} ${number === 1 ? one : many}`;
}

/** Names as a sentence lists them. */
export function list(names) {
  return names.length < 2
    ? names.join('')
    : `${names.slice(0, -1).join(', ')} and ${names[names.length - 1]}`;
}

/** The words of a name that is written in camels. */
export function words(camel) {
  const spaced = String(camel).replace(/[A-Z]/g, letter => ` ${letter.toLowerCase()}`).trim();
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

/** A date and time of day that leaves no doubt. */
export function absolute(milliseconds) {
  return new Date(milliseconds).toISOString().replace('T', ' ').replace(/\.\d+Z$/, ' UTC');
}
