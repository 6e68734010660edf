import test from 'ava'
import {planStepShape} from '../../../../worker/protocol/plan.ts'
import type {Expansion, GitSource, SourceStamp} from '../../../../config/config.ts'
import {git} from '../../../../config/kinds/steps/git.ts'
import {checkKind, problemsOf} from '../check.ts'

const project: GitSource = {
  kind: 'git',
  name: 'project',
  url: 'https://git.example.org/project',
  branches: ['release/*', 'main'],
  pollIntervalMs: 60_000,
  credentials: {user: 'ostler', password: {secret: 'token'}, sshKey: {secret: 'key'}, knownHosts: null},
  pushCredentials: {user: 'pusher', password: {secret: 'push-token'}, sshKey: null, knownHosts: null},
}

const expand = (options: object, sourceStamps: readonly SourceStamp[] = []) => {
  const expansion = {
    sourceStamps,
    source: (name: string) => (name === 'project' ? project : undefined),
  } as unknown as Expansion
  return git.expand(git.shape.parse({kind: 'git', ...options}), 'git', expansion)
}

test('the example of git loads, and each option is described', (t) => {
  checkKind(t, git)
  t.notThrows(() => planStepShape.parse(expand({repository: 'project'})))
})

test("the stamp of the step's own repository says what is checked out", (t) => {
  const stamps = [
    {repository: 'other', branch: 'dev', revision: 'bbb'},
    {repository: 'project', branch: 'feature', revision: 'aaa'},
  ]
  t.like(expand({repository: 'project'}, stamps).command, {
    branch: ['feature'],
    revision: ['aaa'],
    url: [project.url],
    name: 'project',
  })
  t.like(expand({repository: 'project'}, [{repository: project.url, branch: 'x', revision: 'ccc'}]).command, {
    revision: ['ccc'],
  })
})

test("without a stamp the tip of the source's first plain branch is checked out", (t) => {
  t.like(expand({repository: 'project'}).command, {branch: ['main'], revision: []})
  t.like(expand({repository: 'https://git.example.org/other'}).command, {
    branch: [],
    revision: [],
    url: ['https://git.example.org/other'],
  })
})

test("a branch of the step's own does not take the build's revision", (t) => {
  const stamps = [{repository: 'project', branch: 'main', revision: 'aaa'}]
  t.like(expand({repository: 'project', branch: 'docs'}, stamps).command, {branch: ['docs'], revision: []})
  t.like(expand({repository: 'project', revision: '${props.r}'}, stamps).command, {
    branch: ['main'],
    revision: [{prop: 'r'}],
  })
})

test('credentials travel as secrets under the three names that the checkout reads', (t) => {
  t.deepEqual(expand({repository: 'project'}).env, {
    OSTLER_GIT_USER: ['ostler'],
    OSTLER_GIT_PASSWORD: [{secret: 'token'}],
    OSTLER_GIT_SSH_KEY: [{secret: 'key'}],
  })
  t.deepEqual(expand({repository: 'project', credentials: {password: {secret: 'mine'}}}).env, {
    OSTLER_GIT_PASSWORD: [{secret: 'mine'}],
  })
  t.deepEqual(expand({repository: '/srv/git/x'}).env, {})
})

test('a repository is a git source or an URL without a password', (t) => {
  t.deepEqual(problemsOf(git, {repository: 'projct'}), ['no git source named projct; did you mean project?'])
  t.deepEqual(problemsOf(git, {repository: 'https://u:p@git.example.org/x'}), [
    'a password does not belong into the URL; name it in credentials',
  ])
  for (const repository of ['git@host:x', 'ssh://git@host/x', 'file:///srv/x', '/srv/x'])
    t.deepEqual(problemsOf(git, {repository}), [])
})
