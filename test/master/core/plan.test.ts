import test from 'ava'
import fc from 'fast-check'
import {loadYaml} from '../../../config/load.ts'
import {makePlan, workspaceName} from '../../../master/core/plan.ts'
import {planShape} from '../../../worker/protocol/plan.ts'

const load = (text: string) => {
  const loaded = loadYaml(text, 'test.yaml')
  if (loaded.config === null) throw new Error(JSON.stringify(loaded.problems))
  return loaded.config
}
const config = load(`
changeSources: [{name: hello, kind: git, url: "https://git.example.org/hello", branches: [main]}]
builders:
  - name: check
    env: {TOKEN: {secret: deploy}}
    properties: {release: jammy, branch: mine}
    steps:
      - {kind: git, repository: hello}
      - {kind: shell, name: test, command: [make, "R=\${props.release}"], env: {KEY: "\${secret.signing}"}}
`)
const build = {
  id: '5',
  number: 3,
  sourceStamps: [{repository: 'hello', branch: 'main', revision: 'a'.repeat(40)}],
  properties: {release: 'noble'},
  reason: 'because',
  scheduler: 'main',
}
const [check] = config.builders

test('a plan is what the wire takes, and names its secrets without their values', (t) => {
  if (!check) return t.fail()
  const plan = makePlan(config, check, build)
  t.deepEqual(planShape.parse(JSON.parse(JSON.stringify(plan))), plan)
  t.deepEqual(plan.secrets, ['deploy', 'signing'])
})

test('a request’s properties stand over the builder’s, and what every build knows over both', (t) => {
  if (!check) return t.fail()
  t.like(makePlan(config, check, build).properties, {
    release: 'noble',
    branch: 'main',
    revision: 'a'.repeat(40),
    builder: 'check',
    buildNumber: 3,
  })
})

test('different builders have different workspaces, with names that are plain', (t) => {
  fc.assert(
    fc.property(fc.string({maxLength: 20}), fc.string({maxLength: 20}), (a, b) => {
      const plain = [a, b]
        .filter((name) => name !== '')
        .every((name) => planShape.shape.workspace.safeParse(workspaceName(name)).success)
      return plain && (a === b || workspaceName(a) !== workspaceName(b))
    }),
  )
  t.pass()
})
