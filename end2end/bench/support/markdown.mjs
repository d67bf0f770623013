// Tables as docs/BENCHMARKS.md has them.

/**
 * A line of the summary. `value` and `aim` are in the same unit, less is better, `show` writes either; without an aim the
 * figure is stated and not judged.
 */
export function row(figure, { aim, best = "", value, show }) {
  let verdict = "stated";
  if (aim !== undefined) verdict = value < aim ? "met" : `missed by ${show(value - aim)} (${(((value - aim) / aim) * 100).toFixed(0)} %)`;
  return [figure, aim === undefined ? "" : `< ${show(aim)}`, best, show(value), verdict];
}

/** The first of `lines` is the head. */
export function table(lines) {
  const [head, ...body] = lines.map((line) => `| ${line.join(" | ")} |`);
  return [head, `|${lines[0].map(() => "---|").join("")}`, ...body].join("\n");
}

/** All that was measured: the summary, and a section a subject. `results` by subject, in order. */
export function page(results, machine) {
  const parts = Object.values(results);
  const summary = table([["figure", "aim", "best existing console", "measured", "verdict"], ...parts.flatMap((part) => part.rows)]);
  const sections = parts.map((part) => {
    const { at, load1, busy } = part.surroundings;
    const load = `load average before it ${load1?.toFixed(1)}, cores ${(busy * 100).toFixed(0)} % busy (the estate included)`;
    const beside = `Measured ${at}; ${load1 === undefined ? "the load was not recorded" : load}.`;
    const body = [table(part.details), part.more && table(part.more), part.notes.join(" "), beside];
    return [`### ${part.title}`, ...body.filter(Boolean)].join("\n\n");
  });
  return [`Machine: ${machine}.`, summary, ...sections].join("\n\n");
}
