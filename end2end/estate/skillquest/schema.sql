-- SkillQuest's tables and some content, made once on a fresh primary.
CREATE TABLE courses (
    id    int PRIMARY KEY,
    title text NOT NULL,
    level text NOT NULL
);

CREATE TABLE enrolments (
    course_id  int NOT NULL REFERENCES courses,
    user_id    int NOT NULL,
    score      int NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (course_id, user_id)
);
CREATE INDEX enrolments_leaderboard ON enrolments (course_id, score DESC, user_id);
CREATE INDEX enrolments_user ON enrolments (user_id);

INSERT INTO courses
SELECT n, 'Course ' || n, (ARRAY['beginner', 'intermediate', 'advanced'])[1 + n % 3]
  FROM generate_series(1, 24) AS n;

INSERT INTO enrolments (course_id, user_id, score)
SELECT c, u, (c * 7919 + u * 104729) % 1000
  FROM generate_series(1, 24) AS c, generate_series(1, 500) AS u
 WHERE (c + u) % 3 = 0;

ANALYZE;
