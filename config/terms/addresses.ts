// Mail addresses, narrow on purpose: what gets through here can stand in a header and in an SMTP command as it is.
import {z} from 'zod'

const local = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
const domain = '[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?'
const plain = new RegExp(`^${local}@${domain}$`)
const named = new RegExp(`^(?:([^\\u0000-\\u001f\\u007f<>]*?)\\s*)<(${local}@${domain})>$`, 'u')
const longest = 254

/** A person or list: what it is called, and where mail for it goes. */
export interface Mailbox {
  readonly name: string
  readonly address: string
}

/** The mailbox that `ann@example.org` or `Ann <ann@example.org>` names; null for anything else. */
export function parseMailbox(text: string): Mailbox | null {
  const trimmed = text.trim()
  const [name, address] = plain.test(trimmed) ? ['', trimmed] : (named.exec(trimmed)?.slice(1) ?? [])
  if (address === undefined || address.length > longest || address.includes('..')) return null
  return {name: (name ?? '').replaceAll('"', '').slice(0, 200), address}
}

/** `ann@example.org`, or `Ann <ann@example.org>`. */
export const mailbox = () => {
  const error = 'expected an address such as dev@example.org, or Name <dev@example.org>'
  return z.string({error}).refine((text) => parseMailbox(text) !== null, {error})
}
