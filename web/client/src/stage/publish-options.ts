import type { TrackPublishOptions } from "livekit-client";
import type { PublishDefaults } from "../messages.js";

// The encodings of each sender before its limits were changed.
const unlimited = new WeakMap<RTCRtpSender, RTCRtpEncodingParameters[]>();

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
 * largest are switched off where there should be one.
 */
export async function limitSender(
  sender: RTCRtpSender,
  publishedWith: PublishDefaults | null,
  defaults: PublishDefaults,
): Promise<void> {
  const parameters = sender.getParameters();
  const before = unlimited.get(sender) ?? parameters.encodings.map((encoding) => ({ ...encoding }));
  unlimited.set(sender, before);
  const largest = parameters.encodings.length - 1;
  // What LiveKit chose by itself, for a track published without defaults, is not raised.
  const chosen = Math.max(before[largest]?.maxBitrate ?? 0, defaults.videoMaxBitrate);
  const scale = defaults.videoMaxBitrate / (publishedWith?.videoMaxBitrate ?? chosen);
  for (const [index, encoding] of parameters.encodings.entries()) {
    encoding.maxBitrate = Math.round((before[index]?.maxBitrate ?? chosen) * scale);
    encoding.maxFramerate = defaults.videoMaxFramerate;
    encoding.active = defaults.simulcast || index === largest;
  }
  await sender.setParameters(parameters);
}
