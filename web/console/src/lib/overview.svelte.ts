import { ops } from "./api";
import { clock } from "./clock.svelte";
import type { Overview } from "./api-types";
import { Poll } from "./poll.svelte";
import { SampleWindow } from "./series";

/** The overview, asked for on every page, so that its curves go on while another page is open. */
export class OverviewHistory {
  readonly poll = new Poll<Overview>(async (signal) => {
    const overview = await ops.overview(signal);
    clock.observe(overview.at);
    this.samples.add(overview.at, overview);
    return overview;
  });
  readonly samples = new SampleWindow<Overview>();
}

export const overviewHistory = new OverviewHistory();
