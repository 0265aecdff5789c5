from setuptools import setup

setup(
    name="chatgate-smarthost",
    version="1.0",
    py_modules=["chatgate_smarthost"],
    install_requires=["chatgate"],
    entry_points={"chatgate": ["smarthost = chatgate_smarthost:Smarthost"]},
)
