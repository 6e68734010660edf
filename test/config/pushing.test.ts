import test from 'ava'
import {loadYaml, problemText} from '../../config/load.ts'

const problems = (text: string): readonly string[] => loadYaml(text, 'ostler.yaml').problems.map(problemText)

const written = ({
  credentials = '{user: reader, password: {secret: read}}',
  push = '{user: pusher, password: {secret: push}}',
  env = '{}',
  step = '{kind: git, repository: project}',
}) => `changeSources:
  - name: project
    kind: git
    url: https://git.example.org/project
    credentials: ${credentials}
${push === '' ? '' : `    pushCredentials: ${push}\n`}builders:
  - name: check
    env: ${env}
    steps:
      - ${step}
promotions:
  rules:
    - {name: stable, kind: fastForward, source: project, from: main, to: stable, green: {builders: [check]}}
`

const kept =
  'the secret push is what promotions push to project with: no build may have it; use another secret here'

test('what promotions push with, and what checkouts fetch with, may both be there', (t) => {
  t.deepEqual(problems(written({})), [])
  t.deepEqual(problems(written({credentials: '{user: reader}', push: ''})), [])
})

test('promotions do not push with what every checkout carries to a worker', (t) => {
  t.deepEqual(problems(written({push: ''})), [
    'ostler.yaml:5:18: changeSources[0].credentials: promotion stable would push with what every checkout has: give project pushCredentials of its own, and credentials that may only read',
  ])
})

const ways: readonly (readonly [string, Parameters<typeof written>[0], string])[] = [
  [
    "the source's own credentials",
    {credentials: '{user: reader, password: {secret: push}}'},
    '5:18: changeSources[0].credentials',
  ],
  ["a builder's environment", {env: '{TOKEN: {secret: push}}'}, '9:10: builders[0].env'],
  [
    'the text of a command',
    {step: '{kind: shell, command: "push ${secret.push}"}'},
    '11:9: builders[0].steps[0]',
  ],
  [
    "a step's environment",
    {step: '{kind: shell, command: x, env: {A: "${secret.push}"}}'},
    '11:9: builders[0].steps[0]',
  ],
  [
    "a step's credentials",
    {
      step: '{kind: git, repository: "https://other.example.org/x", credentials: {user: x, password: {secret: push}}}',
    },
    '11:9: builders[0].steps[0]',
  ],
]
for (const [way, special, place] of ways)
  test(`no build gets what promotions push with through ${way}`, (t) => {
    t.deepEqual(problems(written(special)), [`ostler.yaml:${place}: ${kept}`])
  })

test('a server is known by lines as ssh-keyscan prints them, and by nothing else', (t) => {
  const key = 'AAAAC3NzaC1lZDI1NTE5AAAAIDmvrRtVYIvIzfFPnxtTTOqOa1jBS0gYhdlBPBRaOhwW'
  const known = (text: string) =>
    problems(written({credentials: `{sshKey: {secret: read}, knownHosts: ${JSON.stringify(text)}}`}))
  t.deepEqual(known(`# git.example.org:22 SSH-2.0\n[git.example.org]:2222 ssh-ed25519 ${key}\n`), [])
  for (const text of ['', '# nothing', key, `git.example.org ${key}`, `StrictHostKeyChecking no`])
    t.regex(known(text).join(), /expected lines such as "git\.example\.org ssh-ed25519 AAAA/, text)
})
