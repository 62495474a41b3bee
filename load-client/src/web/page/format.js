// Formats figures as text. An undefined figure is a dash, never a zero.

export const DASH = "–";

const decimals = (value, digits) =>
  value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });

export const count = (value) => (value == null ? DASH : value.toLocaleString("en"));

// Shows as many decimals as matter: 4.471, 151.2, 12,345.
export const milliseconds = (value) => {
  if (value == null) return DASH;
  if (value < 10) return decimals(value, 3);
  if (value < 100) return decimals(value, 2);
  return decimals(value, value < 10000 ? 1 : 0);
};

export const rate = (value) => (value == null ? DASH : decimals(value, value < 100 ? 2 : 1));

export const bytes = (value) => (value == null ? DASH : decimals(value, value < 100 ? 1 : 0));

export const share = (part, whole) => (part != null && whole > 0 ? `${decimals((100 * part) / whole, 2)} %` : DASH);

export const elapsed = (seconds) => {
  if (seconds == null) return DASH;
  const whole = Math.max(0, Math.floor(seconds));
  const two = (value) => String(value).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
};

export const percentile = (latency, quantile) =>
  latency?.percentiles.find((own) => own.quantile === quantile)?.ms ?? null;
