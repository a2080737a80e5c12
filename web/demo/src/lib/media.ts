import type { Source } from "@cohost/client";

const SIZE = { width: 640, height: 360 };
const FRAMES_A_SECOND = 15;
const BUBBLES = 36;

/** Return a track of the user's device, or a drawn picture or a tone where there is none. */
export async function captureSource(source: Source, name: string): Promise<MediaStreamTrack> {
  if (source === "screen_share") {
    const shared = await navigator.mediaDevices.getDisplayMedia({ video: true });
    return shared.getVideoTracks()[0]!;
  }
  const isVideo = source === "camera";
  const isDrawn = new URLSearchParams(location.search).has("drawn");
  try {
    if (isDrawn) {
      throw new Error("a drawn picture was asked for");
    }
    const stream = await navigator.mediaDevices.getUserMedia(isVideo ? { video: SIZE } : { audio: true });
    return stream.getTracks()[0]!;
  } catch {
    return isVideo ? drawClock(name) : playTone(name);
  }
}

function drawClock(name: string): MediaStreamTrack {
  const canvas = Object.assign(document.createElement("canvas"), SIZE);
  const context = canvas.getContext("2d")!;
  const hue = hash(name) % 360;
  const draw = () => {
    const now = new Date();
    context.fillStyle = `hsl(${hue} 45% 32%)`;
    context.fillRect(0, 0, SIZE.width, SIZE.height);
    drawBubbles(context, hue, now.getTime() / 1000);
    context.fillStyle = "white";
    context.textAlign = "center";
    context.font = "600 72px system-ui, sans-serif";
    context.fillText(name, SIZE.width / 2, 180);
    context.font = "40px ui-monospace, monospace";
    context.fillText(now.toLocaleTimeString("en-GB"), SIZE.width / 2, 250);
  };
  draw();
  const [track] = canvas.captureStream(FRAMES_A_SECOND).getVideoTracks();
  const timer = setInterval(() => {
    draw();
    if (track!.readyState === "ended") {
      clearInterval(timer);
    }
  }, 1000 / FRAMES_A_SECOND);
  return track!;
}

/** Draw what always moves, so that a limit of the bitrate can be seen. */
function drawBubbles(context: CanvasRenderingContext2D, hue: number, seconds: number): void {
  for (let i = 0; i < BUBBLES; i++) {
    const radius = 12 + ((i * 37) % 34);
    const x = SIZE.width * (0.5 + 0.55 * Math.sin(seconds * (0.3 + (i % 5) * 0.11) + i * 1.7));
    const y = SIZE.height * (0.5 + 0.55 * Math.cos(seconds * (0.25 + (i % 7) * 0.08) + i * 2.3));
    context.fillStyle = `hsl(${hue + ((i * 13) % 50)} 60% ${40 + ((i * 7) % 20)}% / 45%)`;
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.fill();
  }
}

function playTone(name: string): MediaStreamTrack {
  const context = new AudioContext();
  const oscillator = new OscillatorNode(context, { frequency: 220 + (hash(name) % 12) * 20 });
  const gain = new GainNode(context, { gain: 0.05 });
  const destination = new MediaStreamAudioDestinationNode(context);
  oscillator.connect(gain).connect(destination);
  oscillator.start();
  // Browsers start a context only once the user has touched the page.
  const resume = () => void context.resume();
  document.addEventListener("pointerdown", resume, { once: true });
  return destination.stream.getAudioTracks()[0]!;
}

function hash(text: string): number {
  return [...text].reduce((sum, character) => (sum * 31 + character.codePointAt(0)!) % 9973, 7);
}
