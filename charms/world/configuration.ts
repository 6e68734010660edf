// The stable's configuration as the operator gives it: text in an option, or a file in a git repository. It is checked before it
// comes near the master.
import type {Wanted} from '../core/scene.ts'
import type {Hands} from './hands.ts'

export interface Given {
  readonly text: string
  readonly repository: string
  readonly branch: string
  readonly path: string
  /** An ssh key for the repository, or null. */
  readonly key: string | null
  /** What is in force, which was judged when it came; null when it must be judged anew, as after an upgrade. */
  readonly inForce: string | null
}

const clone = '/var/lib/ostler-charm/configuration'
const keyFile = '/var/lib/ostler-charm/configuration.key'
const checkedFile = '/var/lib/ostler-charm/ostler.yaml'

/** What the operator gives, with what is wrong with it. */
export function givenConfiguration(hands: Hands, given: Given): Wanted {
  if (given.text !== '' && given.repository !== '')
    return {found: 'problem', problem: 'configuration and config-repo are both set: reset one of them'}
  if (given.text !== '') return checked(hands, `${given.text}\n`, given.inForce)
  if (given.repository === '') return {found: 'nothing'}
  const problem = fetch(hands, given)
  if (problem !== null) return {found: 'problem', problem}
  const shown = hands.run(['git', '-C', hands.place(clone), 'show', `FETCH_HEAD:${given.path}`])
  if (shown.code !== 0)
    return {found: 'problem', problem: `config-repo has no file ${given.path} on ${given.branch}`}
  return checked(hands, shown.out, given.inForce)
}

function fetch(hands: Hands, {repository, branch, key}: Given): string | null {
  hands.run(['git', 'init', '-q', '--bare', hands.place(clone)])
  if (key !== null) hands.write(keyFile, key.endsWith('\n') ? key : `${key}\n`, 0o600)
  const ssh = key === null ? 'ssh' : `ssh -i ${hands.place(keyFile)} -o IdentitiesOnly=yes`
  const fetched = hands.run(
    ['git', '-C', hands.place(clone), 'fetch', '-q', '--depth=1', '--', repository, branch],
    {
      env: {
        GIT_SSH_COMMAND: `${ssh} -o BatchMode=yes -o StrictHostKeyChecking=accept-new`,
        GIT_TERMINAL_PROMPT: '0',
      },
    },
  )
  hands.remove(keyFile)
  if (fetched.code === 0) return null
  const words = fetched.err.split('\n').find((line) => line.trim() !== '') ?? 'git failed'
  return `config-repo cannot be fetched: ${words.trim()}`
}

function checked(hands: Hands, text: string, inForce: string | null): Wanted {
  if (text === inForce) return {found: 'text', text}
  hands.write(checkedFile, text, 0o600)
  const {code, err} = hands.run(['ostler', 'check-config', hands.place(checkedFile)])
  hands.remove(checkedFile)
  if (code === 0) return {found: 'text', text}
  // The package is not there yet: nobody can judge, and nothing is started either.
  if (code === 127) return {found: 'nothing'}
  const problems = err.split('\n').filter((line) => line.trim() !== '')
  const [first = 'it is refused'] = problems
  const words = first.replaceAll(hands.place(checkedFile), 'ostler.yaml').trim()
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more: juju run …/leader check-config)` : ''
  return {found: 'problem', problem: `the configuration is wrong: ${words}${more}`}
}
