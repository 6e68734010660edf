// The guards of promotion: a stable branch only ever holds what was tested green, and nobody's push is run over.
import type {Guard} from '../guard.ts'

const git = 'master/world/git.ts'
const stage = 'master/flow/promotions.ts'
const judge = 'master/core/promotion/judge.ts'
const greens = 'master/core/promotion/greens.ts'
const landing = 'master/flow/landing.ts'
const moving = 'master/world/git/moving.ts'
const gitTest = 'test/master/world/git.test.ts'
const coreTest = 'test/master/core/promotion/judge.test.ts'
const stageTest = 'test/master/flow/promotions.test.ts'
const casesTest = 'test/master/core/promotion/cases.test.ts'
const pushingTest = 'test/scenarios/promotion-cases/pushing.test.ts'
const pushesTest = 'test/master/flow/pushes.test.ts'

export const promotionGuards: readonly Guard[] = [
  {
    name: 'push-exact-lease',
    without: 'a push moves a branch from wherever it is, over what somebody else pushed',
    file: moving,
    changes: [
      {
        text: "...moves.map(({ref, expect}) => `--force-with-lease=${ref}:${expect ?? ''}`),",
        instead: "'--force',",
      },
    ],
    test: gitTest,
    title: 'a push moves a branch only from where it was believed to be, and only forwards',
  },
  {
    name: 'push-forwards',
    without: 'a push takes a branch backwards',
    file: git,
    changes: [
      {
        text: 'if (!(await this.#ancestor(mirror, expect, to)))',
        instead: 'if (!(await this.#ancestor(mirror, to, to)))',
      },
    ],
    test: gitTest,
    title: 'a push moves a branch only from where it was believed to be, and only forwards',
  },
  {
    name: 'push-verified',
    without: "a server's yes is believed although the branch did not move",
    file: 'master/flow/pushes.ts',
    changes: [
      {
        text: '  const shown = await shownTip(ground, pushed, answered)',
        instead: '  const shown = answered ? {tip: pushed.landed} : await shownTip(ground, pushed, answered)',
      },
    ],
    test: pushesTest,
    title: 'a yes of the server is not believed while the branch stands still',
    on: 'PostgreSQL',
  },
  {
    name: 'push-unknown-looked-up',
    without: 'a push whose answer was lost is taken for one that never arrived',
    file: 'master/flow/pushes.ts',
    changes: [
      {
        text: "  if (outcome.outcome === 'refused' || outcome.outcome === 'auth')",
        instead: "  if (outcome.outcome !== 'done')",
      },
    ],
    test: stageTest,
    title: 'a server that takes a push and breaks off is looked at, not believed',
    on: 'PostgreSQL',
  },
  {
    name: 'push-planned-first',
    without: 'a master that dies in a push leaves nothing that tells of it',
    file: landing,
    changes: [
      {
        text: '  const id = await world.store.transaction(async (tx) => {\n    await guard(tx)\n    await rows.holdTarget',
        instead:
          '  const outcome = await world.git.push(source, rule.to, {expect, to})\n  const id = await world.store.transaction(async (tx) => {\n    await guard(tx)\n    await rows.holdTarget',
      },
      {
        text: '  const outcome = await world.git.push(source, rule.to, {expect, to}, marks)\n',
        instead: '  void marks\n',
      },
    ],
    test: stageTest,
    title: 'a master that dies before, during or after the push leaves what the next run settles once',
    on: 'PostgreSQL',
  },
  {
    name: 'push-under-lease',
    without: 'a master whose lease another has taken pushes all the same',
    file: landing,
    changes: [{text: 'await guard(tx)\n    await rows.holdTarget', instead: 'await rows.holdTarget'}],
    test: pushesTest,
    title: 'a master whose lease went to another moves no branch',
    on: 'PostgreSQL',
  },
  {
    name: 'evidence-asked-again',
    without: 'a build that turns red between decision and push stops nothing',
    file: landing,
    changes: [{text: 'if (busy || !(await stands(tx))) return null', instead: 'if (busy) return null'}],
    test: stageTest,
    title: 'a red build that comes between decision and push stops it',
    on: 'PostgreSQL',
  },
  {
    name: 'one-push-at-a-time',
    without: 'two masters push to one branch at the same time',
    file: landing,
    changes: [
      {text: 'if (busy || !(await stands(tx))) return null', instead: 'if (!(await stands(tx))) return null'},
    ],
    test: pushesTest,
    title: 'while a push to a branch is under way nobody begins another',
    on: 'PostgreSQL',
  },
  {
    name: 'tested-not-tip',
    without: 'the tip of the branch is pushed instead of the commit that was tested',
    file: stage,
    changes: [
      {
        text: "const landed = rule.kind === 'gate' ? (gate?.commit ?? null) : decision.candidate",
        instead: "const landed = rule.kind === 'gate' ? (gate?.commit ?? null) : p.fromTip",
      },
    ],
    test: stageTest,
    title: 'the tested commit is promoted, not the tip, and a decision that still holds is not stored again',
    on: 'PostgreSQL',
  },
  {
    name: 'green-on-every-gate',
    without: 'a commit that a gate has not blessed is promoted',
    file: greens,
    changes: [
      {
        text: '    else words.push(`${gate} ${openWords(other)}`)',
        instead: '      else void openWords(other)',
      },
    ],
    test: coreTest,
    title:
      'nothing is promoted without a green newest build of every gate on exactly that commit, which contains the target',
  },
  {
    name: 'candidate-contains-target',
    without: 'a commit is promoted that lacks what the stable branch has',
    file: judge,
    changes: [
      {
        text: "const lacks = rule.kind === 'fastForward' && !candidate.descends",
        instead: 'const lacks = false',
      },
    ],
    test: coreTest,
    title: 'a candidate that does not contain the target is passed over',
  },
  {
    name: 'newest-build-counts',
    without: 'an older green outweighs the newest red',
    file: judge,
    changes: [
      {
        text: 'if (blocks) return {...nothing',
        instead: 'if (blocks && !chosen) return {...nothing',
      },
    ],
    test: coreTest,
    title: 'a red newest build blocks an older green one',
  },
  {
    name: 'hold-holds',
    without: 'a rule that a person holds moves its branch all the same',
    file: judge,
    changes: [
      {
        text: 'if (stops.reasons.length > 0)\n    return {...nothing,',
        instead: 'if (stops.reasons.length > 99)\n    return {...nothing,',
      },
    ],
    test: casesTest,
    title: 'case 56: a held rule is judged on and says what it would promote',
  },
  {
    name: 'said-asked-again',
    without: 'what people say, or a freeze that begins, between plan and push stops nothing',
    file: stage,
    changes: [
      {
        text: 'const now = judge(rule, {...facts, ...toldFacts(ground, rule, scene, again, builds)})',
        instead: 'const now = again && builds && toldFacts ? decision : decision',
      },
    ],
    test: pushingTest,
    title: 'case 41: a freeze that begins between plan and push stops the push',
    on: 'PostgreSQL',
  },
  {
    name: 'gate-lands-what-it-tested',
    without: 'green builds of a commit land a merge of it that nobody has built',
    file: 'master/core/promotion/gate.ts',
    changes: [
      {
        text: 'const standing = tally(rule.green, gates, facts)(gate.commit)',
        instead: 'const standing = tally(rule.green, gates, facts)(gate.candidate)',
      },
    ],
    test: 'test/master/core/promotion/gate.test.ts',
    title: 'green builds of the candidate alone land no merge of it',
  },
  {
    name: 'gate-of-this-target',
    without: 'a merge lands that was made for where the target was before',
    file: 'master/core/promotion/gate.ts',
    changes: [{text: 'if (!gate || gate.base !== facts.toTip || ', instead: 'if (!gate || '}],
    test: 'test/master/core/promotion/gate.test.ts',
    title: 'case 29: a target that has moved starts the test over',
  },
  {
    name: 'approval-of-one-revision',
    without: 'an approval of one revision lets another pass',
    file: 'master/core/promotion/words.ts',
    changes: [
      {
        text: "each.kind === 'approval' && each.revision === revision",
        instead: "each.kind === 'approval' && each.revision !== ''",
      },
    ],
    test: casesTest,
    title: 'case 43: an approval is of one revision, by people of the role, each counted once',
  },
  {
    name: 'reverted-is-passed-over',
    without: 'a commit is promoted that a later one takes back',
    file: 'master/core/promotion/words.ts',
    changes: [{text: 'holdsIt(since) && !holdsIt(until)', instead: 'holdsIt(until) && !holdsIt(until)'}],
    test: casesTest,
    title:
      'case 32: a candidate that holds what a later commit reverts is passed over, or not, by policy; who allows it overrules',
  },
  {
    name: 'taken-back-stays',
    without: 'a branch that a person took back is moved forward again by the next run',
    file: judge,
    changes: [
      {
        text: 'if (facts.lost) return judgeLost',
        instead: 'if (facts.lost && facts.now < 0) return judgeLost',
      },
    ],
    test: pushingTest,
    title: 'case 18: a branch that a person took back stays there until a person releases it',
    on: 'PostgreSQL',
  },
  {
    name: 'rollback-held-first',
    without: 'the next run undoes a rollback',
    file: 'master/flow/rollback.ts',
    changes: [{text: 'for (const name of plan.holds)', instead: 'for (const name of plan.holds.slice(99))'}],
    test: 'test/master/flow/rollback.test.ts',
    title: 'a rollback is planned, done, held, and no run of any rule undoes it',
    on: 'PostgreSQL',
  },
  {
    name: 'scratch-only',
    without: 'the push that may go back and forth is used on a branch of people',
    file: git,
    changes: [
      {
        text: 'if (!branch.startsWith(scratchPrefix))',
        instead: 'if (!branch.startsWith(scratchPrefix.slice(99)))',
      },
    ],
    test: 'test/master/flow/rollback.test.ts',
    title: 'a plain push that would undo a rollback cannot come from here: the lease is exact',
    on: 'PostgreSQL',
  },
  {
    name: 'tag-must-not-exist',
    without: 'a tag of another commit is left standing as if it were the promotion’s',
    file: moving,
    changes: [
      {
        text: 'if (there !== undefined && there !== to)',
        instead: 'if (there !== undefined && there === tag)',
      },
    ],
    test: pushingTest,
    title:
      'case 53: a tag and a note that are there already are left alone; a tag that names another commit refuses',
    on: 'PostgreSQL',
  },
  {
    name: 'master-password-server',
    without: "a redirect carries the master's password to another server",
    file: 'master/world/git/access.ts',
    changes: [
      {
        text: 'config.push(`credential.${serverOf(source.url)}.helper=',
        instead: 'config.push(`credential.helper=',
      },
    ],
    test: gitTest,
    title: 'a password goes only to the configured server, and never into a message',
  },
]
