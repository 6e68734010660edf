// Who is at the keyboard, and what they may do.
import {useQuery} from '@tanstack/react-query'
import type {Who} from '../../http/shapes.ts'
import {read} from './api.ts'
import {whoKey} from './asking.ts'

const roles = ['viewer', 'developer', 'operator', 'admin'] as const
export type Role = (typeof roles)[number]

/** The question who is asking, with its state. */
export const useWhoQuestion = () => useQuery({queryKey: whoKey, queryFn: read.who, staleTime: 60_000})

/** Who is asking; undefined until the master has said. */
export const useWho = (): Who | undefined => useWhoQuestion().data

/** Whether the person at the keyboard has at least this role. */
export function useMay(role: Role): boolean {
  const who = useWho()
  return who?.role != null && roles.indexOf(who.role) >= roles.indexOf(role)
}
