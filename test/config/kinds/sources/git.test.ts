import test from 'ava'
import {git, watches} from '../../../../config/kinds/sources/git.ts'
import {checkKind, problemsOf} from '../check.ts'

test('the example of the git source loads, and each option is described', (t) => {
  t.like(git.resolve(checkKind(t, git)), {
    kind: 'git',
    name: 'project',
    pollIntervalMs: 60_000,
    credentials: {user: null},
  })
})

test('a git source watches branches by name and by glob', (t) => {
  const source = {branches: ['main', 'release/*']}
  t.deepEqual(
    ['main', 'release/1.0', 'mainly', 'release/a/b', 'x'].map((branch) => watches(source, branch)),
    [true, true, false, false, false],
  )
})

test('what git could take for an option, and what is no branch, is refused', (t) => {
  for (const branch of ['--upload-pack=x', 'a..b', 'refs/heads/main', 'a b', 'x.lock', '/x', '']) {
    t.true(problemsOf(git, {name: 'p', url: '/srv/p', branches: [branch]}).length > 0, branch)
  }
  for (const url of ['--upload-pack=x', 'ext::sh -c x', 'hello', '']) {
    t.true(problemsOf(git, {name: 'p', url}).length > 0, url)
  }
})
