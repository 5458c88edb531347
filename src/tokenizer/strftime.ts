/** Writes a date as C's strftime() does, in English and local time, with the directives that prompts use. */
export function formatDate(date: Date, format: string): string {
  return format.replace(/%(-?)([a-zA-Z%])/g, (whole, minus: string, directive: string) => {
    const text = DIRECTIVES[directive]?.(date);
    if (text === undefined) return whole;
    return minus === "" ? text : text.replace(/^[0 ]+(?=.)/, "");
  });
}

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = ["January", "February", "March", "April", "May", "June", "July"]
  .concat("August", "September", "October", "November", "December");
const dayOf = (date: Date) => DAYS[date.getDay()]!;
const monthOf = (date: Date) => MONTHS[date.getMonth()]!;
const padded = (value: number, length = 2, fill = "0") => String(value).padStart(length, fill);
const hourOfTwelve = (date: Date) => date.getHours() % 12 || 12;

const DIRECTIVES: Readonly<Record<string, (date: Date) => string>> = {
  a: (date) => dayOf(date).slice(0, 3),
  A: dayOf,
  b: (date) => monthOf(date).slice(0, 3),
  B: monthOf,
  c: (date) => formatDate(date, "%a %b %e %H:%M:%S %Y"),
  d: (date) => padded(date.getDate()),
  D: (date) => formatDate(date, "%m/%d/%y"),
  e: (date) => padded(date.getDate(), 2, " "),
  F: (date) => formatDate(date, "%Y-%m-%d"),
  h: (date) => formatDate(date, "%b"),
  H: (date) => padded(date.getHours()),
  I: (date) => padded(hourOfTwelve(date)),
  j: (date) =>
    padded(
      1 + Math.round(
        (Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) -
          Date.UTC(date.getFullYear(), 0, 1)) / 86_400_000,
      ),
      3,
    ),
  k: (date) => padded(date.getHours(), 2, " "),
  l: (date) => padded(hourOfTwelve(date), 2, " "),
  m: (date) => padded(date.getMonth() + 1),
  M: (date) => padded(date.getMinutes()),
  n: () => "\n",
  p: (date) => date.getHours() < 12 ? "AM" : "PM",
  r: (date) => formatDate(date, "%I:%M:%S %p"),
  R: (date) => formatDate(date, "%H:%M"),
  s: (date) => String(Math.floor(date.getTime() / 1000)),
  S: (date) => padded(date.getSeconds()),
  t: () => "\t",
  T: (date) => formatDate(date, "%H:%M:%S"),
  u: (date) => String(date.getDay() || 7),
  w: (date) => String(date.getDay()),
  x: (date) => formatDate(date, "%D"),
  X: (date) => formatDate(date, "%T"),
  y: (date) => padded(date.getFullYear() % 100),
  Y: (date) => String(date.getFullYear()),
  "%": () => "%",
};
