"""An output folder of n cases made without running any: 70 % done, 10 % failed, 20 % pending.  For status, report and metrics."""
import json
import os

SIGNATURE = b"\x89HDF\r\n\x1a\n"


def make(out, n, host="nobody", pid=1, ended=True):
    for name in ("cases", "failed", "runs", "superseded"):
        os.makedirs(os.path.join(out, name), exist_ok=True)
    log = []

    def tell(second, **event):
        event["time"] = f"2026-01-01T{second // 3600 % 24:02d}:{second // 60 % 60:02d}:{second % 60:02d}.000000Z"
        log.append(json.dumps(event))

    with open(os.path.join(out, "manifest.csv"), "w") as f:
        f.write("id,patient,file,stain\n")
        f.writelines(f"case-{i:05d},p{i // 4},case-{i:05d}.svs,HE\n" for i in range(n))
    timings = {f"{k}_s": 0.25 for k in ("open", "mask", "decode", "resample", "normalise", "encode", "write", "head", "publish", "tiles", "total")}
    timings |= {"tiles": 100, "invalid_tiles": 0, "threads": 2, "reading": {"reads": 10, "read_bytes": 1000}}
    for i in range(n):
        case = f"case-{i:05d}"
        if i % 10 >= 8:
            continue
        tell(i, event="started", id=case, attempt=1)
        if i % 10 == 7:
            failed = {"id": case, "reason": f"open {case}.svs: damaged", "exit_code": 65, "attempts": 1, "stage": "open"}
            with open(os.path.join(out, "failed", case + ".json"), "w") as f:
                json.dump(failed, f)
            tell(i, event="failed", case=failed)
            continue
        decision = ("urgent", "review", "clear")[i % 3]
        head = {"schema": 1, "id": case, "status": "ok", "decision": decision, "score": 0.5, "threshold": 0.4, "positive": "tumour",
                "scores": {"normal": 0.5, "tumour": 0.5}, "tiles": 100, "invalid_tiles": 0, "tissue_mm2": 12.5, "mpp_x": 0.5, "mpp_y": 0.5,
                "encoder": "made", "recipe_sha256": "0" * 64, "model_sha256": "1" * 64, "head_sha256": "2" * 64, "input_sha256": "3" * 64}
        with open(os.path.join(out, "cases", case + ".h5"), "wb") as f:
            f.write((json.dumps(head) + "\n").encode().ljust(4096, b"\0") + SIGNATURE)
        tell(i, event="done", id=case, seconds=0.25, timings=timings,
             result={k: head[k] for k in ("status", "decision", "score", "tiles", "invalid_tiles")})
    if ended:
        tell(n, event="ended")
    with open(os.path.join(out, "runs", f"20260101T000000Z-{host}-{pid}.jsonl"), "w") as f:
        f.write("\n".join(log) + "\n")
    return out
