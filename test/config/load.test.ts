import {readFileSync} from 'node:fs'
import test from 'ava'
import fc from 'fast-check'
import {planStepShape} from '../../worker/protocol/plan.ts'
import {expandSteps} from '../../config/kinds/steps/index.ts'
import {loadData, loadYaml, problemText} from '../../config/load.ts'
import {secretsIn} from '../../config/terms/interpolation.ts'

const problems = (text: string): readonly string[] => loadYaml(text, 'ostler.yaml').problems.map(problemText)

const builder = (steps: string) =>
  `builders:\n  - name: check\n    steps:\n${steps.replace(/^/gm, '      ')}\n`

test('a wrong document gets every problem at once, each at its place', (t) => {
  const text = [
    'builders:',
    '  - name: lp-devel-jammy',
    '    steps:',
    '      - {kind: shell, command: a}',
    '      - {kind: shell, command: b}',
    '      - {kind: shell, command: c}',
    '      - kind: shell',
    '        command: d',
    '        timeout: abc',
    '      - kind: shell',
    '        comand: e',
    'schedulers:',
    '  - {name: f, kind: force, builders: [lp-devel-jammy]}',
    '  - {name: g, kind: force, builders: [lp-devel-jamy]}',
  ].join('\n')
  t.deepEqual(problems(text), [
    'ostler.yaml:9:18: builders[0].steps[3].timeout: expected a duration such as 20m, got "abc"',
    'ostler.yaml:11:9: builders[0].steps[4].comand: unknown key; did you mean command?',
    'ostler.yaml:14:39: schedulers[1].builders[0]: no builder named lp-devel-jamy; did you mean lp-devel-jammy?',
  ])
})

const truths: readonly (readonly [string, string, readonly string[]])[] = [
  [
    'an unknown kind is told with the kinds there are',
    builder('- {kind: shel, command: x}'),
    [
      'ostler.yaml:4:16: builders[0].steps[0].kind: expected one of git, shell, setPropertyFromCommand, upload, got "shel"; did you mean shell?',
    ],
  ],
  [
    'a name that is taken is told with the place of the first',
    builder('- {name: a, kind: shell, command: x}\n- {name: a, kind: shell, command: x}'),
    ['ostler.yaml:5:16: builders[0].steps[1].name: the name a is taken; the first is at ostler.yaml:4:16'],
  ],
  [
    'a key that is there twice is a problem',
    'title: a\ntitle: b',
    ['ostler.yaml:2:1: this key is there twice'],
  ],
  [
    'an unknown time zone is a problem',
    'timezone: Europe/Lodnon',
    ['ostler.yaml:1:11: timezone: expected a time zone such as Europe/London, got "Europe/Lodnon"'],
  ],
  [
    'what a later release may know is not accepted today',
    'supplies: []',
    ['ostler.yaml:1:1: supplies: unknown key'],
  ],
  [
    "Buildbot's spelling is understood well enough to help",
    builder('- {kind: shell, command: x, halt_on_failure: true}'),
    ['ostler.yaml:4:35: builders[0].steps[0].halt_on_failure: unknown key; did you mean haltOnFailure?'],
  ],
  [
    'a number where text belongs wants quotes',
    'title: 3',
    ['ostler.yaml:1:8: title: expected one line of text, of 1 to 200 characters, got 3; put it in quotes'],
  ],
  [
    'a password where the name of a secret belongs is not repeated',
    'changeSources:\n  - {name: a, kind: webhook, dialect: github, secret: hunter2}',
    [
      'ostler.yaml:2:55: changeSources[0].secret: expected {secret: NAME}; the value itself does not belong into a configuration',
    ],
  ],
  [
    'a condition over an unknown variable is a problem',
    builder(`- {kind: shell, command: x, when: "reslt == 'a'"}`),
    ['ostler.yaml:4:41: builders[0].steps[0].when: not a condition: Unknown variable: reslt'],
  ],
  [
    'a property that nothing sets is a problem',
    builder(
      '- {kind: shell, command: "${props.versoin}"}\n- {kind: setPropertyFromCommand, command: x, property: version}',
    ),
    [
      'ostler.yaml:4:32: builders[0].steps[0].command: nothing sets the property versoin; did you mean version?; ${props.versoin:-TEXT} gives a default',
    ],
  ],
  [
    'a property that only a later step sets is a problem',
    builder(
      '- {kind: shell, command: "${props.v}"}\n- {kind: setPropertyFromCommand, command: x, property: v}',
    ),
    [
      'ostler.yaml:4:32: builders[0].steps[0].command: the property v is not set yet here; ${props.v:-TEXT} gives a default',
    ],
  ],
  [
    "the shell's own variable needs two signs",
    builder('- {kind: shell, command: "${HOME}"}'),
    [
      'ostler.yaml:4:32: builders[0].steps[0].command: ${HOME} is not known here; ${props.NAME} is a property, $${HOME} is for the shell',
    ],
  ],
  [
    'a document that is a list is a problem',
    '[1]',
    ['ostler.yaml:1:1: expected a configuration: builders, schedulers and so on, got a list'],
  ],
  ['an empty document is a configuration of nothing to build', '{}', []],
  [
    'an empty file is a problem',
    '',
    ['ostler.yaml:1:1: expected a configuration: builders, schedulers and so on, got nothing'],
  ],
]
for (const [truth, text, expected] of truths)
  test(truth, (t) => {
    t.deepEqual(problems(text), expected)
  })

test('a syntax error is told with its place', (t) => {
  const [problem] = problems('title: [a, b\nurl: x')
  t.regex(problem ?? '', /^ostler\.yaml:2:\d+: /)
})

test('a schedule of promotions that run on demand is a problem', (t) => {
  const text = 'promotions:\n  run: onDemand\n  schedule: "*/5 * * * *"'
  t.deepEqual(problems(text), [
    'ostler.yaml:3:13: promotions.schedule: has no effect with run: onDemand; remove one of the two',
  ])
  t.deepEqual(problems('promotions:\n  run: onDemand'), [])
})

test('rules that lead in a circle, or a branch to itself, are problems', (t) => {
  const rule = (name: string, from: string, to: string) =>
    `    - {name: ${name}, kind: fastForward, source: p, from: ${from}, to: ${to}, green: {builders: [check]}}\n`
  const document = (rules: string) =>
    `changeSources:\n  - {name: p, kind: git, url: /srv/p}\n${builder('- {kind: shell, command: x}')}promotions:\n  rules:\n${rules}`
  t.is(problems(document(rule('a', 'x', 'y') + rule('b', 'y', 'z'))).length, 0)
  t.is(problems(document(rule('a', 'x', 'y') + rule('b', 'y', 'x'))).length, 2)
  t.regex(problems(document(rule('a', 'x', 'x'))).join(), /not promoted to itself/)
})

test('a scheduler of a branch that its source does not watch is a problem', (t) => {
  const text = `changeSources:\n  - {name: p, kind: git, url: /srv/p, branches: [main, release/*]}\n${builder('- {kind: shell, command: x}')}schedulers:\n  - {name: s, kind: singleBranch, source: p, branch: BRANCH, builders: [check]}`
  t.deepEqual(problems(text.replace('BRANCH', 'release/1')), [])
  t.regex(problems(text.replace('BRANCH', 'devel')).join(), /p watches main, release\/\*, not devel/)
})

for (const example of ['small', 'full', 'ostler']) {
  test(`the example ${example}.yaml loads, and its steps are parts of a plan`, (t) => {
    const file = `config/examples/${example}.yaml`
    const {config, problems: found} = loadYaml(readFileSync(file, 'utf8'), file)
    t.deepEqual(found, [])
    for (const each of config?.builders ?? []) {
      const steps = expandSteps(each, {
        sourceStamps: [],
        source: (name) => config?.changeSources.find((source) => source.name === name),
      })
      for (const step of steps) t.notThrows(() => planStepShape.parse(step))
    }
  })
}

test('every default is filled in and every unit is in the name of its option', (t) => {
  const {config} = loadYaml(readFileSync('config/examples/full.yaml', 'utf8'), 'full.yaml')
  t.like(config?.builders[0], {
    timeoutMs: 10_800_000,
    intGraceMs: 5000,
    container: {memoryBytes: 4 * 1024 ** 3},
  })
  t.like(config?.retention, {logsMs: 90 * 86_400_000})
  t.like(config?.schedulers[0], {treeStableTimerMs: 30_000})
  t.deepEqual(secretsIn(config?.builders[0]?.steps), ['test-token'])
  t.deepEqual(config, JSON.parse(JSON.stringify(config)))
})

test('a nightly and a force without a source take the one that their first builder checks out', (t) => {
  const text = `changeSources:\n  - {name: p, kind: git, url: /srv/p, branches: [release/*, devel]}\n${builder('- {kind: git, repository: p}')}schedulers:\n  - {name: n, kind: nightly, cron: "0 3 * * *", onlyIfChanged: true, builders: [check]}`
  t.like(loadYaml(text, 'x').config?.schedulers[0], {source: 'p', branch: 'devel', timezone: 'UTC'})
  t.regex(
    problems(text.replace('{kind: git, repository: p}', '{kind: shell, command: x}')).join(),
    /onlyIfChanged: needs a source/,
  )
})

test('steps without a name are called by their kind, and the second one gets a number', (t) => {
  const {config} = loadYaml(
    builder(
      '- {kind: shell, command: a}\n- {kind: shell, command: b}\n- {name: shell 2, kind: shell, command: c}',
    ),
    'x',
  )
  t.deepEqual(
    config?.builders[0]?.steps.map(({name}) => name),
    ['shell', 'shell 3', 'shell 2'],
  )
})

test('anchors and merges are followed, and a bomb of aliases is refused', (t) => {
  const shared = 'workers:\n  - &a {name: a, maxBuilds: 2}\n  - {<<: *a, name: b}\n'
  t.like(loadYaml(shared, 'x').config?.workers[1], {name: 'b', maxBuilds: 2})
  const bomb = [
    'a: &a0 [x,x,x,x,x,x,x,x,x]',
    ...Array.from(
      {length: 12},
      (_, i) =>
        `b${String(i)}: &a${String(i + 1)} [${Array(9)
          .fill(`*a${String(i)}`)
          .join()}]`,
    ),
  ]
  t.regex(problems(bomb.join('\n')).join('\n'), /alias/)
})

test('what is too long or too deep is refused in a moment', (t) => {
  const started = performance.now()
  t.regex(problems('x'.repeat(4 * 1024 * 1024 + 1)).join(), /at most 4 MiB/)
  t.true(problems('['.repeat(100_000)).length > 0)
  t.true(problems(`a: ${'{a: '.repeat(20_000)}`).length > 0)
  const circle: Record<string, unknown> = {}
  circle['builders'] = [circle]
  t.true(loadData(circle, 'x', () => ({file: 'x', line: 1, column: 1})).problems.length > 0)
  t.true(performance.now() - started < 30_000)
})

test('no text makes the loader throw', (t) => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({unit: 'binary'})), (text) => {
      loadYaml(text, 'x')
    }),
    {numRuns: 500},
  )
  t.pass()
})

test('no slip in a good document makes the loader throw', (t) => {
  const good = readFileSync('config/examples/full.yaml', 'utf8')
  const pieces = fc.constantFrom(
    '',
    '{',
    '}',
    '[',
    ']',
    ':',
    '- ',
    '\n',
    '*a',
    '&a ',
    '"',
    "'",
    '${',
    '\t',
    'null',
    '1e999',
    '!!binary ',
    '? ',
    '__proto__: ',
    '<<: ',
  )
  fc.assert(
    fc.property(fc.nat(good.length), fc.nat(12), pieces, (at, length, piece) => {
      const {config, problems: found} = loadYaml(good.slice(0, at) + piece + good.slice(at + length), 'x')
      return (config === null) === found.length > 0
    }),
    {numRuns: 200},
  )
  t.pass()
})

test('no data makes the loader throw', (t) => {
  const place = () => ({file: 'x', line: 1, column: 1})
  const item = fc.record(
    {
      name: fc.oneof(fc.constantFrom('a', '__proto__', 'constructor'), fc.anything()),
      kind: fc.oneof(fc.constantFrom('git', 'shell', 'force', 'merge'), fc.anything()),
      steps: fc.anything(),
      builders: fc.anything(),
      env: fc.anything(),
    },
    {requiredKeys: []},
  )
  const document = fc.record(
    {
      builders: fc.array(item),
      schedulers: fc.array(item),
      changeSources: fc.array(item),
      promotions: fc.record({rules: fc.array(item)}),
    },
    {requiredKeys: []},
  )
  fc.assert(
    fc.property(fc.oneof(fc.anything(), document), (data) => {
      loadData(data, 'x', place)
    }),
    {numRuns: 500},
  )
  t.pass()
})
