// Secrets are named in a configuration and live elsewhere: in a directory, systemd credentials or the environment.
import {z} from 'zod'

/** What may name a secret: also a file's name, so neither a slash nor a leading dot. */
export const secretNamePattern = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$/

// The value is never repeated in the problem: someone who put a password here does not want it in a log.
const expected = 'expected {secret: NAME}; the value itself does not belong into a configuration'

/** `{secret: NAME}`. */
export const secretRef = () =>
  z.strictObject(
    {secret: z.string({error: expected}).regex(secretNamePattern, {error: expected})},
    {error: (issue) => (issue.code === 'unrecognized_keys' ? undefined : expected)},
  )
