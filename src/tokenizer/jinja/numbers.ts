import { exponentText } from "./text.ts";

/**
 * The absolute value times ten to the power of `places`, rounded to an int: exactly, and half to even, as CPython's
 * round() and formats do. JavaScript's toFixed() rounds half up and ends at 100 places.
 */
function scaled(value: number, places: number): bigint {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, Math.abs(value));
  const bits = view.getBigUint64(0);
  const biased = Number(bits >> 52n);
  const fraction = bits & ((1n << 52n) - 1n);
  const exponent = (biased || 1) - 1075;
  let numerator = (biased ? fraction | (1n << 52n) : fraction) * 10n ** BigInt(Math.max(0, places));
  let denominator = 10n ** BigInt(Math.max(0, -places));
  if (exponent < 0) denominator <<= BigInt(-exponent);
  else numerator <<= BigInt(exponent);
  const quotient = numerator / denominator;
  const twice = (numerator % denominator) * 2n;
  return twice > denominator || (twice === denominator && quotient % 2n === 1n) ? quotient + 1n : quotient;
}

/** A finite float rounded to a number of decimal places, which may be negative. */
export function roundFloat(value: number, places: number): number {
  // A double's digits end before the first bound, and beyond the second nothing is left of it.
  if (places > 340 || !Number.isFinite(value)) return value;
  const sign = value < 0 || Object.is(value, -0) ? -1 : 1;
  return places < -310 ? sign * 0 : sign * Number(`${scaled(value, places)}e${-places}`);
}

/** An int rounded to tens, hundreds and so on, half to even. */
export function roundInt(value: bigint, zeros: number): bigint {
  const unit = 10n ** BigInt(Math.min(zeros, 4400));
  const rest = ((value % unit) + unit) % unit;
  const lower = value - rest;
  return rest * 2n > unit || (rest * 2n === unit && (lower / unit) % 2n !== 0n) ? lower + unit : lower;
}

/** The absolute value with a number of decimal places. */
function fixed(value: number, places: number): string {
  // No double has more than 1074 places; what follows them are zeros.
  const exact = Math.min(places, 1074);
  const digits = String(scaled(value, exact)).padStart(exact + 1, "0");
  const whole = digits.slice(0, digits.length - exact);
  return places === 0 ? whole : `${whole}.${digits.slice(digits.length - exact)}${"0".repeat(places - exact)}`;
}

function exponential(value: number, places: number): string {
  const [digits, exponent] = Math.abs(value).toExponential(Math.min(places, 100)).split("e") as [string, string];
  return `${digits}${"0".repeat(places - Math.min(places, 100))}e${exponentText(Number(exponent))}`;
}

/** The absolute value of a float by one of C's formats "e", "f" and "g", in either case, or "%". */
export function formatFloat(value: number, type: string, precision: number, keepsZeros: boolean): string {
  const kind = type.toLowerCase();
  let text: string;
  if (!Number.isFinite(value)) text = Number.isNaN(value) ? "nan" : "inf";
  else if (kind === "%") text = fixed(value * 100, precision);
  else if (kind === "f") text = fixed(value, precision);
  else if (kind === "e") text = exponential(value, precision);
  else {
    const digits = Math.max(1, precision);
    const scientific = exponential(value, digits - 1);
    const exponent = Number(scientific.split("e")[1]);
    const isShort = exponent >= -4 && exponent < digits;
    const long = isShort ? fixed(value, digits - 1 - exponent) : scientific;
    text = keepsZeros || !long.includes(".") ? long : long.replace(/\.?0+(?=e|$)/, "");
  }
  return (kind === type ? text : text.toUpperCase()) + (kind === "%" ? "%" : "");
}
