// What the API offers. Each handler returns { status, body, message } or throws.

/** An answer that is the caller's fault. */
export class BadRequest extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

const LEADERBOARD_TTL_S = 60;
const SESSION_TTL_S = 3600;
export const sessionKey = (userId) => `session:${userId}`;

const number = (text) => {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new BadRequest(400, `"${text}" is not an id`);
  return value;
};

export function routes({ database, redis, log }) {
  async function signIn({ userId }) {
    if (!userId) throw new BadRequest(400, 'The header x-user-id is missing');
    await redis.set(sessionKey(userId), '{}', 'EX', SESSION_TTL_S);
    return { status: 201, body: { userId }, message: 'Signed in' };
  }

  async function courses() {
    const rows = await database.query('list_courses', 'SELECT id, title, level FROM courses ORDER BY id');
    return { status: 200, body: rows, message: 'Courses listed' };
  }

  async function course({ params: [id] }) {
    const [row] = await database.query(
      'get_course',
      `SELECT c.id, c.title, c.level, count(e.user_id)::int AS enrolments
         FROM courses c LEFT JOIN enrolments e ON e.course_id = c.id
        WHERE c.id = $1 GROUP BY c.id`,
      [number(id)],
    );
    if (!row) throw new BadRequest(404, `There is no course ${id}`);
    return { status: 200, body: row, message: 'Course shown' };
  }

  async function leaderboard({ params: [id], span }) {
    const key = `cache:leaderboard:${number(id)}`;
    const cached = await redis.get(key).catch(() => null);
    if (cached) return { status: 200, body: JSON.parse(cached), message: 'Leaderboard shown from cache' };
    const rows = await database.query(
      'leaderboard',
      'SELECT user_id, score FROM enrolments WHERE course_id = $1 ORDER BY score DESC, user_id LIMIT 10',
      [number(id)],
    );
    await redis
      .set(key, JSON.stringify(rows), 'EX', LEADERBOARD_TTL_S)
      .catch((error) => log('warn', `Leaderboard not cached: ${error.message}`, span));
    return { status: 200, body: rows, message: 'Leaderboard computed' };
  }

  async function enrolments({ params: [id] }) {
    const rows = await database.query(
      'list_enrolments',
      'SELECT course_id, score FROM enrolments WHERE user_id = $1 ORDER BY course_id',
      [number(id)],
    );
    return { status: 200, body: rows, message: 'Enrolments listed' };
  }

  async function enrol({ body }) {
    const [row] = await database.query(
      'enrol',
      `INSERT INTO enrolments (course_id, user_id, score) VALUES ($1, $2, 0)
       ON CONFLICT (course_id, user_id) DO UPDATE SET score = enrolments.score + 1, updated_at = now()
       RETURNING course_id, user_id, score`,
      [number(body.courseId), number(body.userId)],
    );
    return { status: 201, body: row, message: 'Enrolled' };
  }

  async function generate({ body, span }) {
    const job = { prompt: String(body.prompt ?? ''), critical: body.critical === true, traceparent: span.traceparent };
    const waiting = await redis.lpush('ai:generation:queue', JSON.stringify(job));
    return { status: 202, body: { waiting }, message: 'Generation queued' };
  }

  return [
    { method: 'POST', route: '/api/v1/sessions', status: 201, handle: signIn },
    { method: 'GET', route: '/api/v1/courses', status: 200, handle: courses, session: true },
    { method: 'GET', route: '/api/v1/courses/:id', status: 200, handle: course, session: true },
    { method: 'GET', route: '/api/v1/courses/:id/leaderboard', status: 200, handle: leaderboard, session: true },
    { method: 'GET', route: '/api/v1/users/:id/enrolments', status: 200, handle: enrolments, session: true },
    { method: 'POST', route: '/api/v1/enrolments', status: 201, handle: enrol, session: true },
    { method: 'POST', route: '/api/v1/generations', status: 202, handle: generate, session: true },
  ].map((entry) => ({
    ...entry,
    pattern: new RegExp(`^${entry.route.replaceAll(/:[a-z]+/g, '([^/]+)')}$`),
  }));
}
