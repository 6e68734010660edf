// Where a repository is, and what opens it.
import {z} from 'zod'
import type {Credentials} from '../config.ts'
import {secretRef} from './secrets.ts'

const remote = /^(?:(?:https?|ssh|git|file):\/\/[^\s]+|\/[^\s]*|[A-Za-z0-9._-]+@[A-Za-z0-9._-]+:[^\s]+)$/

/** Whether a text says where a repository is, rather than naming a source. */
export const isRepositoryUrl = (text: string): boolean => remote.test(text)

/** What is wrong with a repository's URL; null when nothing is. */
export function repositoryFault(text: string): string | null {
  if (text.length > 2000 || !isRepositoryUrl(text)) {
    return 'expected where the repository is, such as https://git.example.org/project'
  }
  // A password in an URL would be seen in logs, addresses and process lists.
  if (/^[a-z]+:\/\/[^/@]*:[^/@]*@/.test(text))
    return 'a password does not belong into the URL; name it in credentials'
  return null
}

/** A repository's URL. */
export const repositoryUrl = () =>
  z
    .string({error: 'expected where the repository is, such as https://git.example.org/project'})
    .superRefine((text, context) => {
      const message = repositoryFault(text)
      if (message !== null) context.addIssue({code: 'custom', message, input: text})
    })

// HOST KEYTYPE BASE64, perhaps with a marker before it; comments and empty lines as they come out of ssh-keyscan.
const hostKey = /^(?:@[a-z-]+ )?[^\s@#]\S* [a-z0-9@.-]+ [A-Za-z0-9+/=]{20,}(?: .*)?$/
const remark = /^\s*(?:#.*)?$/

const knownHosts = () => {
  const error = 'expected lines such as "git.example.org ssh-ed25519 AAAA...", which ssh-keyscan prints'
  const isKnownHosts = (text: string) => {
    const lines = text.split(/\r?\n/).filter((line) => !remark.test(line))
    return lines.length > 0 && lines.every((line) => hostKey.test(line))
  }
  return z.string({error}).max(100_000, {error}).refine(isKnownHosts, {error})
}

/** What opens a repository. */
export const credentials = () =>
  z.strictObject(
    {
      user: z
        .string({error: 'expected a user name'})
        .nullable()
        .prefault(null)
        .describe('User name for HTTP. With a token, what its server asks for, such as `oauth2`.'),
      password: secretRef()
        .nullable()
        .prefault(null)
        .describe('`{secret: NAME}` of the password or token for HTTP.'),
      sshKey: secretRef()
        .nullable()
        .prefault(null)
        .describe("`{secret: NAME}` of a private key file's content for ssh."),
      knownHosts: knownHosts()
        .nullable()
        .prefault(null)
        .describe(
          "The ssh server's keys, as `ssh-keyscan` prints them. `null`: the key seen first is kept, and another one refused.",
        ),
    },
    {error: 'expected credentials such as {user: ostler, password: {secret: NAME}}'},
  )

/** What opens a repository that is open to all. */
export const noCredentials: Credentials = {user: null, password: null, sshKey: null, knownHosts: null}

/** Whether credentials hold anything that only some may know. */
export const areSecret = ({password, sshKey}: Credentials): boolean => password !== null || sshKey !== null
