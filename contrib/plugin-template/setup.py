from setuptools import find_packages, setup

setup(
    name="chatgate-example",
    version="0.1.0",
    description="A chatgate plugin that refuses messages with too many recipients",
    packages=find_packages(include=["chatgate_example"]),
    install_requires=["chatgate"],
    extras_require={"test": ["pytest"]},
    # The name on the left is the NAME in conf.d/NN-NAME.toml.
    entry_points={"chatgate": ["example = chatgate_example:Example"]},
)
