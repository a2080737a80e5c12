"""A hypothesis profile without deadlines: a busy machine would exceed them."""

import hypothesis

hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")
