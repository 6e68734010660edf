// The guards of the doors: who is let in, what is believed of what comes in, and what a configuration may say.
import type {Guard} from '../guard.ts'

const access = 'master/http/access.ts'
const hooks = 'master/http/routes/hooks.ts'
const tokens = 'master/world/store/tokens.ts'
const accessTest = 'test/master/http/access.test.ts'
const hooksTest = 'test/master/http/hooks.test.ts'
const tokensTest = 'test/master/world/store/tokens.test.ts'

export const doorGuards: readonly Guard[] = [
  {
    name: 'route-policy',
    without: 'everybody may do everything',
    file: access,
    changes: [
      {
        text: "    admit(request.caller, policy, needs.settings().config.access.read === 'open')\n",
        instead: '',
      },
    ],
    test: accessTest,
    title: 'a role opens what it and lower roles may do, and nothing above',
    on: 'PostgreSQL',
  },
  {
    name: 'route-needs-policy',
    without: 'a route without a policy goes unnoticed until somebody asks',
    file: access,
    changes: [{text: 'if (!policy) throw new Error(', instead: 'if (!policy) String('}],
    test: accessTest,
    title: 'a route without a policy keeps the server from starting',
    on: 'PostgreSQL',
  },
  {
    name: 'route-policy-written-down',
    without: 'a developer makes tokens for administrators',
    file: 'master/http/routes/tokens.ts',
    changes: [
      {
        text: "config: {policy: 'admin'},\n      schema: {\n        summary: 'Make a token",
        instead: "config: {policy: 'developer'},\n      schema: {\n        summary: 'Make a token",
      },
    ],
    test: accessTest,
    title: 'every route has the policy that is written down for it',
    on: 'PostgreSQL',
  },
  {
    name: 'role-order',
    without: 'a lower role does what only a higher one may',
    file: access,
    changes: [
      {
        text: 'roles.indexOf(role) >= roles.indexOf(needed)',
        instead: 'roles.indexOf(role) >= 0 && roles.includes(needed)',
      },
    ],
    test: accessTest,
    title: 'roles are ordered',
  },
  {
    name: 'origin',
    without: 'a page of another origin acts with the cookie of who looks at it',
    file: access,
    changes: [{text: 'if (foreign || silent)', instead: 'if (silent)'}],
    test: accessTest,
    title: 'a session opens with a token, acts only for pages of our own origin, and ends',
    on: 'PostgreSQL',
  },
  {
    name: 'origin-silent',
    without: 'a request acts by a cookie although nothing tells which page sent it',
    file: access,
    changes: [{text: 'if (foreign || silent)', instead: 'if (foreign)'}],
    test: accessTest,
    title: 'a session opens with a token, acts only for pages of our own origin, and ends',
    on: 'PostgreSQL',
  },
  {
    name: 'worker-door',
    without: 'a page opens the socket of the workers',
    file: access,
    changes: [
      {
        text: "if (request.routeOptions.config.policy === 'worker' && origin !== undefined)",
        instead: "if (request.routeOptions.config.policy === 'worker' && origin === '')",
      },
    ],
    test: 'test/master/http/worker-socket.test.ts',
    title: "no token, a wrong one, a person's or a page does not get in",
    on: 'PostgreSQL',
  },
  {
    name: 'worker-name',
    without: "a worker's token lets it speak for another worker",
    file: 'master/http/worker-socket.ts',
    changes: [{text: 'if (hello.worker !== this.#name)', instead: "if (hello.worker === '')"}],
    test: 'test/master/http/worker-socket.test.ts',
    title: 'a worker may only say its own name, and a version that both speak',
    on: 'PostgreSQL',
  },
  {
    name: 'hook-signature',
    without: 'anybody tells of pushes',
    file: hooks,
    changes: [
      {
        text: 'if (given.length !== expected.length || !timingSafeEqual(given, expected))',
        instead: 'if (given.length !== expected.length && !timingSafeEqual(given, expected))',
      },
    ],
    test: hooksTest,
    title: 'a wrong or missing signature, or another dialect, records nothing',
    on: 'PostgreSQL',
  },
  {
    name: 'hook-once',
    without: 'a delivery that is repeated is recorded again',
    file: hooks,
    changes: [{text: '  if (before) return before\n', instead: ''}],
    test: hooksTest,
    title: 'a signed push becomes changes in order, and a repetition is answered the same and done once',
    on: 'PostgreSQL',
  },
  {
    name: 'hook-stale',
    without: 'a delivery is recorded and played again long after',
    file: hooks,
    changes: [{text: 'Date.now() - pushedAt * 1000 > ageMsMax', instead: 'Date.now() < 0'}],
    test: hooksTest,
    title: 'a stale, malformed or huge delivery is refused with a reason',
    on: 'PostgreSQL',
  },
  {
    name: 'hook-body-limit',
    without: 'a delivery of any size is taken into memory',
    file: hooks,
    changes: [{text: 'bodyLimit: hookBytesMax,', instead: 'bodyLimit: 100 * hookBytesMax,'}],
    test: hooksTest,
    title: 'a stale, malformed or huge delivery is refused with a reason',
    on: 'PostgreSQL',
  },
  {
    name: 'body-limit',
    without: 'a request of any size is taken into memory',
    file: 'master/http/server.ts',
    changes: [{text: 'bodyLimit: bodyBytesMax,', instead: 'bodyLimit: 100 * bodyBytesMax,'}],
    test: accessTest,
    title: 'a body above the limit is refused before anybody reads it',
    on: 'PostgreSQL',
  },
  {
    name: 'token-revoked',
    without: 'a revoked token still opens everything',
    file: tokens,
    changes: [{text: 'AND kind = $2 AND revoked_at IS NULL),', instead: 'AND kind = $2),'}],
    test: tokensTest,
    title: 'a wrong, revoked or other kind of token is nobody',
    on: 'PostgreSQL',
  },
  {
    name: 'token-revoked-sessions',
    without: 'the sessions that a token opened outlive it',
    file: tokens,
    changes: [
      {
        text: 'ended AS (DELETE FROM sessions WHERE token_id IN (SELECT id FROM revoked))',
        instead: 'ended AS (SELECT 1)',
      },
      {
        text: 'const where = {id: session.token_id, revokedAt: IsNull()}',
        instead: 'const where = {id: session.token_id}',
      },
    ],
    test: tokensTest,
    title: 'a session ends by its time, by logging out and with its token',
    on: 'PostgreSQL',
  },
  {
    name: 'session-time',
    without: 'a session never ends',
    file: tokens,
    changes: [{text: 'WHERE hash = $1 AND until > now()', instead: 'WHERE hash = $1'}],
    test: tokensTest,
    title: 'a session ends by its time, by logging out and with its token',
    on: 'PostgreSQL',
  },
  {
    name: 'config-unknown-key',
    without: 'a slip in the name of an option is passed over in silence',
    file: 'config/kinds/steps/shell.ts',
    changes: [{text: 'const shape = z.strictObject({', instead: 'const shape = z.object({'}],
    test: 'test/config/load.test.ts',
    title: 'a wrong document gets every problem at once, each at its place',
  },
]
