// Figures from samples.

/** The value below which a share `q` (0 to 1) of the samples lies. */
export function quantile(samples, q) {
  if (samples.length === 0) throw new Error("there are no samples to take a quantile of");
  const sorted = Float64Array.from(samples).sort();
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)];
}

/** { min, median, p90, max, count } of the samples. */
export function spread(samples) {
  return {
    min: quantile(samples, 0),
    median: quantile(samples, 0.5),
    p90: quantile(samples, 0.9),
    max: quantile(samples, 1),
    count: samples.length,
  };
}
