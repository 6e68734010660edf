// The guards of the worker: what it keeps through a crash, what it never prints, and what it leaves behind of a build.
import type {Guard} from '../guard.ts'

export const workerGuards: readonly Guard[] = [
  {
    name: 'torn-tail',
    without: 'what a crash left half written stays behind the journal',
    file: 'worker/world/spool.ts',
    changes: [{text: 'if (this.size < total) ftruncateSync(this.file, this.size)', instead: ''}],
    test: 'test/worker/world/spool.test.ts',
    title: 'rubbish at the end is cut off',
  },
  {
    name: 'whole-records',
    without: 'a record that a crash cut off is read as if it were whole',
    file: 'worker/world/spool.ts',
    changes: [{text: 'if (size < headerBytes || offset + headerBytes + size > total) return', instead: ''}],
    test: 'test/worker/world/spool.test.ts',
    title: 'wherever a crash tears the file, the whole records before it remain and writing goes on',
  },
  {
    name: 'log-ends-once',
    without: 'a worker that is started again says more in a log that it has ended, and ends it again',
    file: 'worker/world/logs.ts',
    changes: [
      {text: '    if (this.attempt.log?.isOver) return\n', instead: ''},
      {text: 'if (bytes === 0 || !mark || isOver) return', instead: 'if (bytes === 0 || !mark) return'},
    ],
    test: 'test/worker/world/logs.test.ts',
    title: 'a log that ended before a crash gets no line of the worker any more, and ends once',
  },
  {
    name: 'accepted-on-disk',
    without: 'an offer is accepted that a crash, or a full disk, then forgets',
    file: 'worker/commands/attempts.ts',
    changes: [
      {
        text: '    try {\n      const held = this.hold(Attempt.take(',
        instead:
          "    try {\n      this.link?.send({say: 'accept', attempt: fence})\n      const held = this.hold(Attempt.take(",
      },
    ],
    test: 'test/worker/link.test.ts',
    title: 'an offer that cannot be written down is declined, and was never accepted',
  },
  {
    name: 'offered-twice',
    without: 'an offer that comes twice is built twice',
    file: 'worker/commands/attempts.ts',
    changes: [
      {
        text: "if (this.held.has(fence)) return this.link?.send({say: 'accept', attempt: fence})",
        instead: '',
      },
    ],
    test: 'test/worker/link.test.ts',
    title: 'offers beyond its means are declined with the reason, the same offer again is accepted again',
  },
  {
    name: 'sent-again',
    without: 'entries whose acknowledgement was lost are never sent again',
    file: 'worker/commands/attempts.ts',
    changes: [
      {
        text: '      held.underWay.length = 0\n      held.sent = held.attempt.journal.applied\n',
        instead: '      held.underWay.length = 0\n',
      },
      {
        text: '      held.quota.moved()\n      held.sent = held.attempt.journal.applied\n',
        instead: '      held.quota.moved()\n',
      },
    ],
    test: 'test/worker/survival.test.ts',
    title: 'entries whose acknowledgement was lost are sent again, and none is missing',
  },
  {
    name: 'mask-across-pieces',
    without: 'a secret that comes in two pieces is printed',
    file: 'worker/core/mask.ts',
    changes: [{text: "if (!last) return 'unsure'", instead: ''}],
    test: 'test/worker/core/mask.test.ts',
    title: 'however the output is cut, the masked text is the same, and no secret is in it',
  },
  {
    name: 'mask-last-byte',
    without: 'a secret is printed whose first byte is the last of a piece',
    file: 'worker/core/mask.ts',
    changes: [
      {
        text: 'const used = !last && at < end && firsts[input[at] ?? 0] === 1 ? at : end',
        instead: 'const used = end',
      },
    ],
    test: 'test/worker/core/mask.test.ts',
    title: 'however the output is cut, the masked text is the same, and no secret is in it',
  },
  {
    name: 'kill-group',
    without: 'a step that must end loses its shell only, and its children live on',
    file: 'worker/world/supervise.sh.ts',
    changes: [{text: 'kill "-$signal" "-$group"', instead: 'kill "-$signal" "$group"'}],
    test: 'test/worker/build.test.ts',
    title: 'what a step started is gone when its end was ordered, before the next step begins',
  },
  {
    name: 'kill-strays',
    without: 'processes that left the group of a step that must end live on beside the next step',
    file: 'worker/world/supervise.sh.ts',
    changes: [
      {
        text: '[ "$3" != "$group" ] && kill "-$signal" "$pid"',
        instead: '[ "$3" = "$group" ] && kill "-$signal" "$pid"',
      },
    ],
    test: 'test/worker/build.test.ts',
    title: 'what a step started is gone when its end was ordered, before the next step begins',
  },
  {
    name: 'kill-at-last',
    without: 'a step that ignores INT and TERM runs on',
    file: 'worker/commands/supervised.ts',
    changes: [
      {
        text: "plan.termGraceMs, () => this.signal('KILL'))",
        instead: "plan.termGraceMs, () => this.signal('TERM'))",
      },
    ],
    test: 'test/worker/build.test.ts',
    title: 'a step that runs for too long is ended though it ignores INT and TERM',
  },
  {
    name: 'kill-leftovers',
    without: 'what a build started on the host lives on after it',
    file: 'worker/world/ground.ts',
    changes: [
      {
        text: 'await killMarked(`OSTLER_STEP=${markOf(this.place, this.attempt.fence)}`, this.since, Date.now())',
        instead: 'await Promise.resolve(killMarked)',
      },
    ],
    test: 'test/worker/build.test.ts',
    title: 'a step ends when its main process ends; what it left behind is ended with the build',
  },
  {
    name: 'container-removed',
    without: "a build's container outlives it",
    file: 'worker/world/ground.ts',
    changes: [
      {
        text: '    if (id) await engine.remove(id)\n    this.container = null',
        instead: '    this.container = null',
      },
    ],
    test: 'test/worker/containers.test.ts',
    title: 'a worker killed during a container build goes on with it, and sweeps what is left of others',
    on: 'Docker',
  },
  {
    name: 'containers-swept',
    without: 'containers of attempts that nobody holds any more stay for ever',
    file: 'worker/world/engine.ts',
    changes: [{text: 'await Promise.all(left.map(({Id}) => this.remove(Id)))', instead: ''}],
    test: 'test/worker/containers.test.ts',
    title: 'a worker killed during a container build goes on with it, and sweeps what is left of others',
    on: 'Docker',
  },
  {
    name: 'worker-password-server',
    without: "a redirect or a submodule gets the repository's password on another server",
    file: 'worker/commands/checkout-script.ts',
    changes: [{text: '"credential.$server.helper=$helper"', instead: '"credential.helper=$helper"'}],
    test: 'test/worker/remotes.test.ts',
    title: 'a password is for its own server: neither a redirect nor a submodule elsewhere gets it',
  },
  {
    name: 'one-worker-per-state',
    without: 'two workers share one state directory and run each build twice',
    file: 'worker/world/state.ts',
    changes: [
      {
        text: "if (pid !== '' && startOf(Number(pid)) === start) return Number(pid)",
        instead: "if (pid === '?' && start === '?') return Number(pid)",
      },
    ],
    test: 'test/worker/link.test.ts',
    title: 'a second worker on the same state directory is refused, naming the first',
  },
]
