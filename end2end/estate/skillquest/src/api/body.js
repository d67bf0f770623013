// Request bodies.

const LIMIT_BYTES = 64 * 1024;

/** The JSON object in a request's body; throws on anything else. */
export async function readJson(request) {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > LIMIT_BYTES) throw new Error('The body is too large');
    chunks.push(chunk);
  }
  const value = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  if (typeof value !== 'object' || value === null) throw new Error('The body is not a JSON object');
  return value;
}
