from setuptools import setup

setup(
    name="chatgate-tally",
    version="1.0",
    py_modules=["chatgate_tally"],
    install_requires=["chatgate"],
    entry_points={"chatgate": ["tally = chatgate_tally:Tally"]},
)
