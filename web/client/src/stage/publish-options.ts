import type { TrackPublishOptions } from "livekit-client";
import type { PublishDefaults } from "../messages.js";

interface KnownSender {
  /** The encodings before their limits were changed. */
  before: RTCRtpEncodingParameters[];
  /** The layers that were switched off here. */
  switchedOff: Set<number>;
}

const knownSenders = new WeakMap<RTCRtpSender, KnownSender>();

/** Return LiveKit's options for tracks that are published with these defaults, which a viewer has not. */
export function publishOptions(defaults: PublishDefaults | null): TrackPublishOptions {
  if (defaults === null) {
    return {};
  }
  const encoding = { maxBitrate: defaults.videoMaxBitrate, maxFramerate: defaults.videoMaxFramerate };
  return { videoEncoding: encoding, screenShareEncoding: encoding, simulcast: defaults.simulcast };
}

/**
 * Give a running video track other limits than those that it was published with.
 *
 * Publishing it anew would take it from the stage for a moment, so its layers are scaled, and all but the
 * largest that is sent are switched off where there should be one. Layers that LiveKit switched off, because
 * nobody receives them, stay so.
 */
export async function limitSender(
  sender: RTCRtpSender,
  publishedWith: PublishDefaults | null,
  defaults: PublishDefaults,
): Promise<void> {
  const parameters = sender.getParameters();
  const { before, switchedOff } = knowSender(sender, parameters.encodings);
  // What LiveKit chose by itself, for a track published without defaults, is not raised.
  const chosen = Math.max(before.at(-1)?.maxBitrate ?? 0, defaults.videoMaxBitrate);
  const scale = defaults.videoMaxBitrate / (publishedWith?.videoMaxBitrate ?? chosen);
  const largest = parameters.encodings.findLastIndex(({ active }) => active);
  for (const [index, encoding] of parameters.encodings.entries()) {
    encoding.maxBitrate = Math.round((before[index]?.maxBitrate ?? chosen) * scale);
    encoding.maxFramerate = defaults.videoMaxFramerate;
    if (defaults.simulcast && switchedOff.delete(index)) {
      encoding.active = true;
    } else if (!defaults.simulcast && encoding.active && index !== largest) {
      encoding.active = false;
      switchedOff.add(index);
    }
  }
  await sender.setParameters(parameters);
}

function knowSender(sender: RTCRtpSender, encodings: RTCRtpEncodingParameters[]): KnownSender {
  const before = encodings.map((encoding) => ({ ...encoding }));
  const known = knownSenders.get(sender) ?? { before, switchedOff: new Set() };
  knownSenders.set(sender, known);
  return known;
}
