// What of the board is in sight, and how high its heads are.
import type {Arrangement} from './arrange.ts'

export interface Sight {
  readonly top: number
  readonly bottom: number
  readonly left: number
  readonly right: number
}

export const bandHeight = 22
export const headHeight: Record<Arrangement['detail'], number> = {steps: 64, builds: 64, strips: 164}
