// Where a build's block lies in its builder's column: builds that overlap in time stand side by side.

export interface Block {
  readonly id: string
  readonly top: number
  readonly bottom: number
}

export interface Placed extends Block {
  readonly lane: number
  /** How many lanes the blocks it overlaps with share. */
  readonly lanes: number
}

/** Gives every block the leftmost free lane; only blocks that touch one another share the width. */
export function layLanes(blocks: readonly Block[]): Placed[] {
  const sorted = [...blocks].sort((a, b) => a.top - b.top || b.bottom - a.bottom)
  const placed: Placed[] = []
  let cluster: (Block & {lane: number})[] = []
  let bottoms: number[] = []
  const close = () => {
    for (const block of cluster) placed.push({...block, lanes: bottoms.length})
    cluster = []
    bottoms = []
  }
  for (const block of sorted) {
    if (bottoms.every((bottom) => bottom <= block.top)) close()
    const free = bottoms.findIndex((bottom) => bottom <= block.top)
    const lane = free === -1 ? bottoms.length : free
    bottoms[lane] = block.bottom
    cluster.push({...block, lane})
  }
  close()
  return placed
}
