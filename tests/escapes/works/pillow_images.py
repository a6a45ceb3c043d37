# Attempts: nothing hostile: draws, filters, converts and reads back images.
# Expect: completed works
# Artifacts: drawing.png present, drawing.jpg present
import hashlib
import io

from PIL import Image, ImageDraw, ImageFilter, UnidentifiedImageError

image = Image.new("RGB", (120, 80), "white")
pen = ImageDraw.Draw(image)
pen.rectangle((10, 10, 60, 60), fill="red", outline="black")
pen.ellipse((50, 20, 110, 70), fill=(0, 0, 255))
pen.text((5, 65), "text", fill="black")
for name in ("drawing.png", "drawing.jpg"):
    image.save(f"output/{name}")
    assert Image.open(f"output/{name}").size == (120, 80)
assert Image.open("output/drawing.png").getpixel((20, 20)) == (255, 0, 0)
for kind in ("GIF", "BMP", "TIFF", "WEBP", "PPM"):
    buffer = io.BytesIO()
    image.save(buffer, kind)
    assert Image.open(io.BytesIO(buffer.getvalue())).convert("RGB").size == (120, 80), kind
blurred = image.filter(ImageFilter.GaussianBlur(3)).resize((60, 40), Image.LANCZOS).rotate(90, expand=True)
assert blurred.size == (40, 60)
try:
    Image.open(io.BytesIO(b"no image"))
except UnidentifiedImageError:
    pass
try:
    Image.open(io.BytesIO(open("output/drawing.png", "rb").read()[:200])).load()
except OSError as error:
    print(error)
print(hashlib.sha256(blurred.tobytes()).hexdigest())
print("works")
