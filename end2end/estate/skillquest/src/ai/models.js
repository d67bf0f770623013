// The models and what they cost, in US dollars per million tokens.

export const models = {
  'gpt-4o': { input: 2.5, output: 10 },
  'gpt-4o-mini': { input: 0.15, output: 0.6 },
};

/** Dollars for one answer. */
export function priceOf(model, usage) {
  const { input, output } = models[model];
  return (usage.prompt_tokens * input + usage.completion_tokens * output) / 1e6;
}
