// What people say to promotion rules, the merges that gates have put under test, and with each decision what it was made on.
// Ended controls stay: they tell who did what, when and why.
export const up = `
CREATE TABLE promotion_controls (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('hold', 'approval', 'denial', 'allowance', 'override')),
  rule text NOT NULL,
  -- What an approval, denial or allowance is of. An exact denial is of that commit alone, not of those that hold it.
  revision text,
  exact boolean NOT NULL DEFAULT false,
  -- The promotion that a hold was set because of: it was rolled back, or the branch does not hold it any more.
  promotion bigint,
  reason text NOT NULL,
  made_by text NOT NULL,
  role text NOT NULL CHECK (role IN ('viewer', 'developer', 'operator', 'admin')),
  made_at timestamptz NOT NULL DEFAULT now(),
  until timestamptz,
  ended_at timestamptz,
  ended_by text,
  ended_reason text
);
CREATE INDEX promotion_controls_by_rule ON promotion_controls (rule, id DESC);

-- A merge that is built on a scratch branch and lands only as it is. The newest of a rule is the one under test.
CREATE TABLE promotion_gates (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  rule text NOT NULL,
  candidate text NOT NULL,
  base text NOT NULL,
  commit text NOT NULL,
  tree text NOT NULL,
  same_tree boolean NOT NULL,
  made_with text NOT NULL,
  made_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX promotion_gates_by_rule ON promotion_gates (rule, id DESC);

-- basis: {rule, facts, decision}, by which the decision can be made again. resolved_at: when a conflict was over.
ALTER TABLE promotions ADD COLUMN basis jsonb, ADD COLUMN would text, ADD COLUMN resolved_at timestamptz;
CREATE INDEX promotions_conflicts ON promotions (rule) WHERE state = 'conflict' AND resolved_at IS NULL;
CREATE INDEX promotions_landed ON promotions (source, to_branch, id DESC) WHERE state = 'done';
`
