// Counts times on in the words that the server used (src/time.rs); both are held to tests/times.json.

const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const two = (number) => String(number).padStart(2, "0");
const whole = (ms, unit) => Math.floor(ms / unit);

/** `0.4 s`, `42 s`, `3 min 05 s`, `1 h 04 min`, `2 d 3 h`. */
export function duration(ms) {
  ms = Math.max(0, ms);
  if (ms < 10 * SECOND) return `${whole(ms, SECOND)}.${whole(ms % SECOND, 100)} s`;
  if (ms < MINUTE) return `${whole(ms, SECOND)} s`;
  if (ms < HOUR) return `${whole(ms, MINUTE)} min ${two(whole(ms % MINUTE, SECOND))} s`;
  if (ms < DAY) return `${whole(ms, HOUR)} h ${two(whole(ms % HOUR, MINUTE))} min`;
  return `${whole(ms, DAY)} d ${whole(ms % DAY, HOUR)} h`;
}

/** `40 s`, `14 min`, `3 h`, `2 days`. */
export function coarse(ms) {
  ms = Math.max(0, ms);
  if (ms < MINUTE) return `${whole(ms, SECOND)} s`;
  if (ms < HOUR) return `${whole(ms, MINUTE)} min`;
  if (ms < DAY) return `${whole(ms, HOUR)} h`;
  return ms < 2 * DAY ? "1 day" : `${whole(ms, DAY)} days`;
}

/** `just now`, `14 min ago`, `in 5 min`, then the date. */
export function ago(now, at) {
  const ms = now - at;
  if (ms < -5 * SECOND) return `in ${coarse(-ms)}`;
  if (ms < 5 * SECOND) return "just now";
  if (ms < 7 * DAY) return `${coarse(ms)} ago`;
  const date = new Date(at);
  const day = `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]}`;
  return date.getUTCFullYear() === new Date(now).getUTCFullYear() ? day : `${day} ${date.getUTCFullYear()}`;
}

/** Writes every time under `root` anew; only text that changed is touched. */
export function refresh(root, now) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    write(element, ago(now, Date.parse(element.dateTime)));
  }
  for (const element of root.querySelectorAll("[data-since]")) {
    const ms = now - Number(element.dataset.since);
    write(element, "coarse" in element.dataset ? coarse(ms) : duration(ms));
  }
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
