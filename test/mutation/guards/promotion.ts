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
        text: "    else words.push(`${gate} ${openWords(other)}`)",
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
